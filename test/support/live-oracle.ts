/** The authority: XState's own interpreter on a simulated clock, with puppets for its actors. */
import { type AnyActor, type AnyEventObject, type AnyStateMachine, createActor, SimulatedClock } from 'xstate';
import { instant } from '../../src/domain/ids.ts';
import type { RunPolicy } from '../../src/domain/run-policy.ts';
import { withEnvironment } from '../../src/domain/statechart/environment.ts';
import { implementationsOf, statesOf } from '../../src/domain/statechart/machine-walk.ts';
import { type Doings, type Move, noDoings, seedOf, timerView, type View } from './play-view.ts';

interface LiveSnapshot {
  readonly value: unknown;
  readonly context: unknown;
  readonly status: string;
  readonly output: unknown;
  readonly error?: { readonly message: string };
  readonly children: Readonly<Record<string, AnyActor>>;
  readonly machine: AnyStateMachine;
  readonly _nodes?: readonly { readonly order: number }[];
}

interface Inspection {
  readonly type: string;
  readonly snapshot?: LiveSnapshot;
  readonly action?: { readonly type: string; readonly params?: { readonly id: string; readonly actorRef?: AnyActor } };
}

export class LiveOracle {
  readonly #actor: AnyActor;
  readonly #clock = new SimulatedClock();
  readonly #dueAt = new Map<string, number>();
  readonly #running = new Map<string, AnyActor>();
  readonly #invoked: ReadonlySet<string>;
  #done: Doings = noDoings();
  #illegal = false;

  constructor(machine: AnyStateMachine, input: unknown, policy: RunPolicy) {
    this.#invoked = new Set([...statesOf(machine)].flatMap((node) => node.invoke.map(({ id }) => id)));
    this.#actor = createActor(this.#puppetShow(machine, policy), {
      input,
      clock: this.#clock,
      inspect: (inspection: unknown) => this.#inspect(inspection as Inspection),
      logger: (...args: unknown[]) => void this.#done.logged.push(args),
    } as never);
    this.#replacePendingTimers();
    this.#actor.on('*', (event: unknown) => void this.#done.emitted.push(event));
    this.#actor.subscribe({ error: () => {} }); // seen through the snapshot; unheard it would be thrown into the void
    this.#actor.start();
  }

  play(move: Move): void {
    const { children, status } = this.#snapshot;
    if (status !== 'active') return;
    switch (move.do) {
      case 'hear':
        this.#actor.send(move.event);
        break;
      case 'resolve':
        children[move.id]?.send({ type: 'puppet.resolve', output: move.output } as AnyEventObject);
        break;
      case 'reject':
        children[move.id]?.send({ type: 'puppet.reject', error: move.error } as AnyEventObject);
        break;
      case 'fire':
        this.#fire(move.id);
        break;
      case 'elapse':
        this.#clock.increment(move.ms);
    }
  }

  /** Also forgets what was done so far. */
  look(): View {
    const { value, context, status, output, error, children } = this.#snapshot;
    const done = this.#done;
    this.#done = noDoings();
    return {
      value,
      context,
      status,
      output,
      error: error?.message,
      activities: status === 'active' ? Object.keys(children).sort() : [],
      timers: this.#scheduled()
        .map(([key, { id }]) => timerView(id, this.#dueAt.get(key)!))
        .sort(),
      done,
    };
  }

  /**
   * XState can bring itself into a configuration that is none (a child state active without its parent), mostly by way of history.
   * There is nothing to compare with from there on.
   */
  get legal(): boolean {
    return !this.#illegal && isLegal(this.#snapshot);
  }

  /** A live actor visits regions in the order they were last entered, the fold in document order: where they differ, results may. */
  get inDocumentOrder(): boolean {
    const orders = (this.#snapshot._nodes ?? []).map((node) => node.order);
    return orders.every((order, index) => index === 0 || orders[index - 1]! < order);
  }

  get #snapshot(): LiveSnapshot {
    return this.#actor.getSnapshot() as LiveSnapshot;
  }

  /** The same machine with puppets for actors and recorders for custom actions, seeing the clock and randomness of the test. */
  #puppetShow(machine: AnyStateMachine, policy: RunPolicy): AnyStateMachine {
    const { actors, actions } = implementationsOf(machine);
    const puppet = puppetLogic((id, event) => void this.#done.sent.push([id, event]));
    const custom = Object.entries(actions).filter(([, code]) => typeof code === 'function' && !('resolve' in code));
    const recorders = custom.map(([name]) => [name, (_: unknown, params: unknown) => void this.#done.actions.push([name, params])]);
    const provided = machine.provide({
      actors: Object.fromEntries(Object.keys(actors).map((name) => [name, puppet])),
      actions: Object.fromEntries(recorders),
    } as never) as AnyStateMachine;
    const environment = (eventType: string) => {
      const at = this.#clock.now();
      return { at: instant(at), seed: seedOf(at, eventType) };
    };
    const { transition, getInitialSnapshot } = provided;
    provided.transition = (snapshot, event, scope) => withEnvironment(environment(event.type), () => transition(snapshot, event, scope));
    provided.getInitialSnapshot = (scope, given) =>
      withEnvironment({ ...environment('start'), policy }, () => getInitialSnapshot(scope, given));
    return provided;
  }

  /**
   * Arming an id that is pending leaves XState's first timer running and out of reach; compare with "the later one replaces it", and
   * with whole milliseconds.
   */
  #replacePendingTimers(): void {
    const { scheduler } = this.#actor.system as unknown as { scheduler: Scheduler };
    const schedule = scheduler.schedule;
    scheduler.schedule = (source, target, event, delay, id) => {
      if (id !== undefined) scheduler.cancel(source, id);
      const known = new Set(this.#scheduled().map(([key]) => key));
      const wholeMs = Math.max(0, Math.round(delay));
      schedule(source, target, event, wholeMs, id);
      for (const [key] of this.#scheduled()) if (!known.has(key)) this.#dueAt.set(key, this.#clock.now() + wholeMs);
    };
  }

  #scheduled(): [string, Scheduled][] {
    const system = this.#actor.system as unknown as { _snapshot: { _scheduledEvents: Record<string, Scheduled> } };
    return Object.entries(system._snapshot._scheduledEvents);
  }

  /** What the scheduler does when the clock tells it to. */
  #fire(id: string): void {
    const { scheduler, _relay: relay } = this.#actor.system as unknown as { scheduler: Scheduler; _relay: Relay };
    const timer = this.#scheduled().find(([, scheduled]) => scheduled.id === id)?.[1];
    if (timer === undefined) throw new Error(`timer '${id}' is not armed in the interpreter`);
    scheduler.cancel(timer.source, id);
    relay(timer.source, timer.target, timer.event);
  }

  #inspect({ type, snapshot, action }: Inspection): void {
    if (type === '@xstate.microstep' && snapshot !== undefined && !isLegal(snapshot)) this.#illegal = true;
    if (type !== '@xstate.action' || action?.params === undefined) return;
    const { actorRef } = action.params;
    if (action.type === 'xstate.spawnChild' && actorRef !== undefined) {
      // A state entered again without an exit starts its actor a second time and forgets the first, which goes on running.
      const before = this.#running.get(actorRef.id);
      if (this.#invoked.has(actorRef.id) && before?.getSnapshot().status === 'active') this.#illegal = true;
      this.#running.set(actorRef.id, actorRef);
    }
    if (action.type === 'xstate.stopChild' && this.#running.get(action.params.id) === (action.params as unknown)) {
      this.#running.delete(action.params.id);
    }
  }
}

interface Scheduled {
  readonly id: string;
  readonly source: unknown;
  readonly target: unknown;
  readonly event: unknown;
}
type Relay = (source: unknown, target: unknown, event: unknown) => void;
interface Scheduler {
  schedule(source: unknown, target: unknown, event: unknown, delay: number, id?: string): void;
  cancel(source: unknown, id: string): void;
}

function isLegal({ _nodes: nodes, status, machine, value }: LiveSnapshot): boolean {
  if (nodes === undefined || status !== 'active') return true;
  const expected: readonly unknown[] = machine.resolveState({ value, context: {} } as never)._nodes;
  return expected.length === nodes.length && expected.every((node) => (nodes as readonly unknown[]).includes(node));
}

type PuppetSnapshot = { readonly status: string; readonly output?: unknown; readonly error?: unknown };

/** An actor that does what the test tells it, at once. */
function puppetLogic(onEvent: (id: string, event: AnyEventObject) => void) {
  return {
    transition(snapshot: PuppetSnapshot, event: AnyEventObject, scope: { id: string }): PuppetSnapshot {
      if (snapshot.status !== 'active') return snapshot;
      switch (event.type) {
        case 'puppet.resolve':
          return { ...snapshot, status: 'done', output: event.output };
        case 'puppet.reject':
          return { ...snapshot, status: 'error', error: event.error };
        case 'xstate.stop':
          return { ...snapshot, status: 'stopped' };
        default:
          onEvent(scope.id, event);
          return snapshot;
      }
    },
    getInitialSnapshot: (): PuppetSnapshot => ({ status: 'active', output: undefined, error: undefined }),
    getPersistedSnapshot: (snapshot: PuppetSnapshot) => snapshot,
    restoreSnapshot: (snapshot: PuppetSnapshot) => snapshot,
  };
}
