/**
 * Random statecharts: nesting, parallel regions, history, finals, always, after, invoke, raise, sendTo, spawn, emit, log, cancel,
 * enqueueActions, combined guards, time and randomness. Legal to XState, sensible to nobody.
 */
import {
  type AnyStateMachine,
  and,
  assign,
  cancel,
  createMachine,
  emit,
  enqueueActions,
  log,
  not,
  or,
  raise,
  sendTo,
  spawnChild,
  stateIn,
  stopChild,
} from 'xstate';
import { now, random as transitionRandom } from '../../src/domain/statechart/environment.ts';
import { SeededRandom } from './seeded-random.ts';

export interface RandomStatechart {
  readonly machine: AnyStateMachine;
  readonly events: readonly { readonly type: string }[];
}

interface Context {
  readonly n: number;
  readonly m: number;
  /** Bounds what would otherwise go round for ever. */
  readonly q: number;
}
interface Args {
  readonly context: Context;
  readonly event: { readonly type: string; readonly output?: unknown };
  readonly self: { getSnapshot(): { children?: Record<string, unknown> } | undefined };
}
type Config = Record<string, unknown>;

const EXTERNAL = ['a', 'b', 'c', 'd', 'r1'] as const;
const RAISED = ['r1', 'r2', 'r3'] as const;

/** @throws What XState says about the few that it cannot build. */
export function randomStatechart(seed: number, { history = true } = {}): RandomStatechart {
  return new Generator(new SeededRandom(seed), history).build();
}

class Generator {
  readonly #random: SeededRandom;
  readonly #history: boolean;
  readonly #stateIds: string[] = [];
  /** Transitions are filled in when every state they may target exists. */
  readonly #later: (() => void)[] = [];
  #timers = 0;
  #invokes = 0;

  constructor(random: SeededRandom, history: boolean) {
    this.#random = random;
    this.#history = history;
  }

  build(): RandomStatechart {
    const root = this.#state(0, this.#random.pick(['compound', 'compound', 'parallel']));
    root.id = 'root';
    this.#stateIds.shift(); // a target may be anything but the root
    for (const fill of this.#later) fill();
    const config = {
      ...root,
      context: this.#random.chance(0.5) ? { n: 0, m: 0, q: 0 } : contextOfInput,
      options: { maxIterations: 40 },
      output: ({ context, event }: Args) => ({ n: context.n, by: event.type }),
    };
    return {
      machine: createMachine(config as never, IMPLEMENTATIONS as never) as AnyStateMachine,
      events: EXTERNAL.map((type) => ({ type })),
    };
  }

  #state(depth: number, type: string = this.#kind(depth)): Config {
    const id = `s${this.#stateIds.length}`;
    this.#stateIds.push(id);
    const state: Config = { id, entry: this.#actions(0.35), exit: this.#actions(0.25) };
    if (type === 'final') {
      return { ...state, type, ...(this.#random.chance(0.5) ? { output: ({ context }: Args) => ({ n: context.n }) } : {}) };
    }
    if (this.#random.chance(0.25)) this.#invoke(state);
    if (type !== 'atomic') this.#substates(state, depth, type);
    this.#later.push(() => this.#transitions(state));
    return state;
  }

  #kind(depth: number): string {
    if (depth >= 3) return this.#random.chance(0.15) ? 'final' : 'atomic';
    return this.#random.pick(['compound', 'compound', 'atomic', 'atomic', 'parallel', 'final']);
  }

  #substates(state: Config, depth: number, type: string): void {
    const states: Record<string, Config> = {};
    const count = 2 + this.#random.int(2);
    for (let index = 0; index < count; index++) {
      // Regions and first states are no finals: XState refuses the one, and the other would end before it begins.
      const region = type === 'parallel' ? this.#random.pick(['compound', 'compound', 'compound', 'atomic']) : undefined;
      const first = index === 0 ? this.#random.pick(['atomic', 'compound']) : undefined;
      states[`k${index}`] = this.#state(depth + 1, region ?? first);
    }
    if (type === 'parallel') state.type = 'parallel';
    else state.initial = this.#random.chance(0.3) ? { target: 'k0', actions: this.#actions(0.5) } : 'k0';
    if (this.#history && this.#random.chance(0.35)) {
      const id = `h${this.#stateIds.length}`;
      states.hist = { type: 'history', history: this.#random.pick(['shallow', 'deep']), id };
      this.#stateIds.push(id);
    }
    state.states = states;
    if (this.#random.chance(0.6)) this.#fillLater(state, 'onDone');
  }

  #invoke(state: Config): void {
    const invoke: Config = { src: 'kid', id: `i${this.#invokes++}`, input: ({ context }: Args) => ({ n: context.n }) };
    state.invoke = invoke;
    if (this.#random.chance(0.8)) this.#fillLater(invoke, 'onDone');
    if (this.#random.chance(0.7)) this.#fillLater(invoke, 'onError');
  }

  #fillLater(config: Config, key: string): void {
    this.#later.push(() => {
      config[key] = this.#transition();
    });
  }

  #transitions(state: Config): void {
    const on: Config = {};
    for (const type of new Set([...EXTERNAL, ...RAISED])) {
      if (!this.#random.chance(0.3)) continue;
      on[type] = this.#random.chance(0.3) ? [this.#transition(true), this.#transition()] : this.#transition();
    }
    if (this.#random.chance(0.08)) on['*'] = this.#transition();
    state.on = on;
    if (this.#random.chance(0.3)) {
      const delays = Array.from({ length: 1 + this.#random.int(2) }, () => this.#random.pick([5, 10, 15, 'growing', 'fixed', 'jittered']));
      state.after = Object.fromEntries(delays.map((delay) => [delay, this.#transition()]));
    }
    if (this.#random.chance(0.15)) {
      const n = this.#random.int(4);
      const { actions = [], ...transition } = this.#transition();
      const guard = ({ context }: Args) => context.q < 2 && context.n === n;
      state.always = [{ ...transition, guard, actions: [assign({ q: ({ context }) => context.q + 1 }), ...(actions as unknown[])] }];
    }
  }

  #transition(guarded = this.#random.chance(0.3)): Config {
    const transition: Config = { actions: this.#actions(0.4) };
    if (this.#random.chance(0.8)) transition.target = `#${this.#random.pick(this.#stateIds)}`;
    if (guarded) transition.guard = this.#guard();
    if (transition.target !== undefined && this.#random.chance(0.2)) transition.reenter = true;
    return transition;
  }

  #guard(): unknown {
    const k = this.#random.int(5);
    const inState = stateIn(`#${this.#random.pick(this.#stateIds)}`);
    const equals = { type: 'equals', params: { k } };
    return this.#random.pick<unknown>([
      ({ context }: Args) => context.n === k,
      ({ context }: Args) => context.n !== k,
      ({ event }: Args) => event.type !== 'a',
      'even',
      equals,
      inState,
      not('even'),
      and(['even', equals] as never),
      or([inState, 'even'] as never),
    ]);
  }

  #actions(probability: number): unknown[] {
    const actions: unknown[] = [];
    while (actions.length < 4 && this.#random.chance(probability)) actions.push(this.#action());
    return actions;
  }

  #action(): unknown {
    return this.#random.pick<() => unknown>([
      () => assign({ n: ({ context }) => (context.n + 1) % 5 }),
      () => assign({ n: ({ context }) => (context.n + 1) % 5 }),
      () => assign((({ context, event }: Args) => ({ last: event.type, got: event.output, m: (context.m + 1) % 4 })) as never),
      () => assign({ m: () => Math.floor(transitionRandom() * 4), at: () => now() }),
      () => ({ type: this.#custom(), params: { k: this.#random.int(3) } }),
      () => ({ type: this.#custom(), params: ({ context, event }: Args) => ({ n: context.n, by: event.type }) }),
      () => 'write',
      () => raise({ type: this.#random.pick([...RAISED, ...EXTERNAL]) }),
      () => this.#delayedRaise(),
      () => cancel(`own:${this.#random.int(Math.max(1, this.#timers))}`),
      () => emit({ type: 'emitted', k: this.#random.int(3) } as never),
      () => log(({ context }) => context.n, this.#random.chance(0.5) ? 'label' : undefined),
      () => spawnChild('kid' as never, { id: `sp${this.#random.int(2)}`, input: ({ context }: Args) => ({ n: context.n }) } as never),
      () => stopChild(`sp${this.#random.int(2)}`),
      () => enqueueBranch,
      () => enqueueSelfMessage,
      () => this.#sendToInvoked(),
    ])();
  }

  #custom(): string {
    return this.#random.pick(['write', 'paint']);
  }

  #delayedRaise(): unknown {
    const delay = 1 + this.#random.int(4) * 5;
    const id = `own:${this.#timers++}`;
    return raise({ type: this.#random.pick(['r1', 'r2']) }, this.#random.chance(0.85) ? { delay, id } : { delay });
  }

  #sendToInvoked(): unknown {
    const actor = `i${this.#random.int(Math.max(1, this.#invokes))}`;
    const options = this.#random.chance(0.5) ? {} : { delay: 5, id: `own:to-${actor}` };
    const send = sendTo(actor as never, { type: 'ping' } as never, options as never);
    return enqueueActions((({ enqueue, self }: Args & { enqueue: Enqueue }) => {
      if (wasRunning(self, actor)) enqueue(send);
    }) as never);
  }
}

const contextOfInput = ({ input }: { input?: { n: number } }) => ({
  n: input?.n ?? 0,
  m: Math.floor(transitionRandom() * 4),
  q: 0,
  at: now(),
});

/** While an actor starts, XState's development build throws where its production build has no snapshot yet. */
function wasRunning(self: Args['self'], actor: string): boolean {
  try {
    return self.getSnapshot()?.children?.[actor] !== undefined;
  } catch {
    return false;
  }
}

interface Enqueue {
  (action: unknown): void;
  assign(assignment: object): void;
  emit(event: object): void;
  sendTo(target: unknown, event: object): void;
}

const enqueueBranch = enqueueActions((({ enqueue, context, check }: Args & { enqueue: Enqueue; check: (guard: unknown) => boolean }) => {
  if (context.n % 2 === 1) enqueue({ type: 'write', params: { enqueued: 1 } });
  enqueue.assign({ m: 1 });
  if (check(({ context: current }: Args) => current.m === 1)) enqueue.emit({ type: 'checked' });
}) as never);

const enqueueSelfMessage = enqueueActions((({ enqueue, context, self }: Args & { enqueue: Enqueue }) => {
  if (context.q >= 3) return;
  enqueue.assign({ q: context.q + 1 });
  enqueue.sendTo(self, { type: 'r2' });
}) as never);

const IMPLEMENTATIONS = {
  guards: { even: ({ context }: Args) => context.n % 2 === 0, equals: ({ context }: Args, { k }: { k: number }) => context.n === k },
  delays: { growing: ({ context }: Args) => 3 + context.n * 4, fixed: 7, jittered: () => 1 + transitionRandom() * 20 },
  actions: { write: () => {}, paint: () => {} },
  actors: {
    kid: {
      transition: (snapshot: unknown) => snapshot,
      getInitialSnapshot: () => ({ status: 'active' }),
      getPersistedSnapshot: (s: unknown) => s,
    },
  },
};
