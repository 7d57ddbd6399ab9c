/**
 * A statechart as the decision function of an event-sourced run: snapshot + stimulus → snapshot + effects. Nothing is executed, no
 * interpreter ever runs, and the same arguments always give the same bytes.
 */
import type { AnyEventObject, AnyMachineSnapshot, AnyStateMachine } from 'xstate';
import { ReservedEventError, StatechartCodeError } from '../errors.ts';
import { definitionHash } from './definition-hash.ts';
import { rewindRandom, type TransitionEnvironment, withEnvironment } from './environment.ts';
import type { Evaluated } from './evaluated.ts';
import { type Hydration, hydration } from './hydration.ts';
import { type InertScope, inertScope, type OnMicrostep, withInertActors } from './inert-scope.ts';
import { MemoisedMicrosteps } from './memoised-microsteps.ts';
import { forwardTimer, netStep } from './net-effects.ts';
import { parseRawAction } from './raw-action.ts';
import { SLOW } from './slow.ts';
import type { Snapshot, StartedActivity } from './snapshot.ts';
import type { Step } from './step.ts';
import type { Stimulus } from './stimulus.ts';
import type { Kept } from './visit-ledger.ts';
import { without } from './without.ts';

export type { Step } from './step.ts';
export { activityDone, activityFailed, type Stimulus, timerFired } from './stimulus.ts';

export interface FoldOptions {
  /** Off: every macrostep is XState's own. The results are the same, several times slower. @default true */
  readonly memoise?: boolean;
  /** Turns `memoise` off, since a remembered microstep is not reported. */
  readonly onMicrostep?: OnMicrostep;
  /** Wrapped around the machine's own code; tests forbid the ambient clock and randomness here. */
  readonly guardCode?: <Result>(code: () => Result) => Result;
}

export interface FoldableStatechart {
  readonly machine: AnyStateMachine;
  /** Changes whenever the structure of the machine does (invariant 9). */
  readonly definitionHash: string;
  /** Macrosteps by how they were evaluated, starts among them. */
  readonly stats: { readonly memoised: number; readonly plain: number };
  /**
   * @param visits The last visit that was handed out before, when the run has been started before. @default 0
   * @throws {StatechartCodeError} The machine's own code threw; nothing was decided.
   */
  start(input: unknown, environment: TransitionEnvironment, visits?: number): Step;
  /**
   * Undefined: append nothing. The stimulus is stale (another visit), delivered before, for a statechart that has ended, or nothing
   * the statechart listens to in this state.
   *
   * @throws {ReservedEventError} An event from outside that only an activity or timer may cause. Refuse it.
   * @throws {StatechartCodeError} The machine's own code threw; nothing was decided.
   * @throws {SnapshotMismatchError} The snapshot belongs to another definition.
   */
  step(snapshot: Snapshot, stimulus: Stimulus, environment: TransitionEnvironment): Step | undefined;
  /** XState's snapshot of this state, for reading only: its nodes, tags and meta. Its children are stand-ins. */
  hydrate(snapshot: Snapshot): AnyMachineSnapshot;
  /** Whether the event would be accepted in this state. Evaluates guards. */
  can(snapshot: Snapshot, event: AnyEventObject, environment: TransitionEnvironment): boolean;
}

export function foldable(machine: AnyStateMachine, options: FoldOptions = {}): FoldableStatechart {
  return new Fold(machine, options);
}

class Fold implements FoldableStatechart {
  readonly machine: AnyStateMachine;
  readonly definitionHash: string;
  readonly stats = { memoised: 0, plain: 0 };
  readonly #inertMachine: AnyStateMachine;
  readonly #inert: InertScope;
  readonly #hydration: Hydration;
  readonly #memoised: MemoisedMicrosteps | undefined;
  readonly #guardCode: <Result>(code: () => Result) => Result;

  constructor(machine: AnyStateMachine, { memoise = true, onMicrostep, guardCode = (code) => code() }: FoldOptions) {
    this.machine = machine;
    this.definitionHash = definitionHash(machine);
    this.#inertMachine = withInertActors(machine);
    this.#inert = inertScope(machine.id, onMicrostep);
    this.#hydration = hydration(this.#inertMachine, this.#inert);
    this.#memoised = memoise && onMicrostep === undefined ? new MemoisedMicrosteps(this.#inertMachine, this.#hydration) : undefined;
    this.#guardCode = guardCode;
  }

  start(input: unknown, environment: TransitionEnvironment, visits = 0): Step {
    return this.#decide('start', environment, () => {
      const started = this.#evaluate(
        undefined,
        (memoised) => memoised.start(input, this.#inert.scope),
        () => this.#startPlainly(input),
      );
      return this.#finish({ visits }, started, environment);
    });
  }

  step(snapshot: Snapshot, stimulus: Stimulus, environment: TransitionEnvironment): Step | undefined {
    if (snapshot.status !== 'active') return undefined; // XState would still take a '*' transition of its root
    switch (stimulus.kind) {
      case 'event':
        if (isReserved(stimulus.event.type)) throw new ReservedEventError(stimulus.event.type);
        return this.#hear(snapshot, snapshot, stimulus.event, environment);
      case 'activity':
        return this.#hearActivity(snapshot, stimulus, environment);
      case 'timer':
        return this.#hearTimer(snapshot, stimulus, environment);
    }
  }

  hydrate(snapshot: Snapshot): AnyMachineSnapshot {
    return this.#hydration.hydrate(snapshot);
  }

  can(snapshot: Snapshot, event: AnyEventObject, environment: TransitionEnvironment): boolean {
    if (snapshot.status !== 'active' || isReserved(event.type)) return false;
    const hydrated = this.hydrate(snapshot);
    return this.#decide(event.type, environment, () => hydrated.can(event));
  }

  #hearActivity(snapshot: Snapshot, { id, visit, event }: Stimulus & { kind: 'activity' }, environment: TransitionEnvironment) {
    const activity = snapshot.activities?.[id];
    if (activity === undefined || activity.finished || activity.visit !== visit) return undefined;
    const { src, systemId } = activity;
    const finished: StartedActivity = systemId === undefined ? { src, visit, finished: true } : { src, visit, systemId, finished: true };
    const activities = { ...snapshot.activities, [id]: finished };
    return this.#hear(snapshot, { activities, timers: snapshot.timers, visits: snapshot.visits }, event, environment);
  }

  #hearTimer(snapshot: Snapshot, { id, visit }: Stimulus & { kind: 'timer' }, environment: TransitionEnvironment): Step | undefined {
    const timer = snapshot.timers?.[id];
    if (timer === undefined || timer.visit !== visit) return undefined;
    if (timer.to === undefined) {
      const timers = without(snapshot.timers!, id);
      return this.#hear(snapshot, { activities: snapshot.activities, timers, visits: snapshot.visits }, timer.event, environment);
    }
    return forwardTimer(snapshot, id, timer.to);
  }

  #hear(snapshot: Snapshot, kept: Kept, event: AnyEventObject, environment: TransitionEnvironment): Step | undefined {
    const previous = this.hydrate(snapshot);
    return this.#decide(event.type, environment, () => {
      const evaluated = this.#evaluate(
        previous,
        (memoised) => memoised.macrostep(previous, event, this.#inert.scope),
        () => this.#inertMachine.transition(previous, event, this.#inert.scope),
      );
      const heard = evaluated.snapshot !== previous || evaluated.actions.length > 0 || kept !== snapshot;
      return heard ? this.#finish(kept, evaluated, environment) : undefined;
    });
  }

  #startPlainly(input: unknown): AnyMachineSnapshot {
    const next: AnyMachineSnapshot = this.#inertMachine.getInitialSnapshot(this.#inert.scope, input);
    // XState turns a throwing start into status 'error', which would end a run over a typo.
    if (next.status === 'error') throw next.error;
    return next;
  }

  /** From memory where that is certain to give what XState would, else as XState evaluates it. */
  #evaluate(
    previous: AnyMachineSnapshot | undefined,
    fromMemory: (memoised: MemoisedMicrosteps) => Evaluated,
    plainly: () => AnyMachineSnapshot,
  ): Evaluated {
    this.#inert.begin(previous);
    if (this.#memoised !== undefined) {
      try {
        const evaluated = fromMemory(this.#memoised);
        this.stats.memoised++;
        return evaluated;
      } catch (thrown) {
        if (thrown !== SLOW) throw thrown;
        rewindRandom();
        this.#inert.begin(previous);
      }
    }
    this.stats.plain++;
    const snapshot = plainly();
    return { snapshot, actions: this.#inert.listed.map(parseRawAction) };
  }

  #finish(kept: Kept, { snapshot, actions }: Evaluated, environment: TransitionEnvironment): Step {
    return netStep(kept, snapshot, this.#hydration.canonicalValue(snapshot.value), actions, environment);
  }

  #decide<Result>(hearing: string, environment: TransitionEnvironment, decide: () => Result): Result {
    try {
      return withEnvironment(environment, () => this.#guardCode(decide));
    } catch (cause) {
      throw new StatechartCodeError(this.machine.id, hearing, { cause });
    }
  }
}

/** XState lets anyone send what its own activities, timers and completions cause, and reads `*` as a wildcard; `almanac.` is ours. */
const isReserved = (eventType: string): boolean => eventType === '*' || /^(xstate|almanac)\./.test(eventType);
