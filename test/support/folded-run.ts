/** The candidate: a fold of steps whose snapshot goes through bytes each time, as if another process handled every event. */
import type { AnyStateMachine } from 'xstate';
import { StatechartCodeError } from '../../src/domain/errors.ts';
import { type Instant, instant } from '../../src/domain/ids.ts';
import type { RunPolicy } from '../../src/domain/run-policy.ts';
import { type Effect, SELF } from '../../src/domain/statechart/effect.ts';
import {
  activityDone,
  activityFailed,
  type FoldableStatechart,
  type FoldOptions,
  foldable,
  type Step,
  type Stimulus,
  timerFired,
} from '../../src/domain/statechart/fold.ts';
import { outstanding, type Snapshot } from '../../src/domain/statechart/snapshot.ts';
import { forbidAmbient } from './forbid-ambient.ts';
import { type Doings, type Move, noDoings, seedOf, type TimelessMove, timerView, type View } from './play-view.ts';

export class FoldedRun {
  readonly statechart: FoldableStatechart;
  at: Instant = instant(0);
  /** What would be stored. */
  bytes = '';
  /** Every decision of the last move, effects and all. */
  decided = '';
  /** No XState was needed to start it. */
  readonly startedFromMemory: boolean;
  /** The machine's own code threw: nothing was stored, but XState's interpreter is over. */
  threw: StatechartCodeError | undefined;
  #done: Doings = noDoings();
  readonly #toSelf: Stimulus[] = [];

  constructor(machine: AnyStateMachine, input: unknown, policy: RunPolicy, options: Pick<FoldOptions, 'memoise'>) {
    this.statechart = foldable(machine, { ...options, guardCode: forbidAmbient });
    this.#attempt(() => this.statechart.start(input, { ...this.#environment('start'), policy }));
    this.startedFromMemory = this.statechart.stats.memoised > 0;
    this.#drain();
  }

  get snapshot(): Snapshot {
    return JSON.parse(this.bytes) as Snapshot;
  }

  get active(): boolean {
    return this.threw === undefined && this.snapshot.status === 'active';
  }

  play(move: Move): void {
    this.decided = '';
    if (move.do === 'elapse') this.#elapse(instant(this.at + move.ms));
    else this.#hear(stimulusOf(this.snapshot, move));
    this.#drain();
  }

  msToNextTimer(): number | undefined {
    const dueAts = outstanding(this.snapshot).timers.map((timer) => timer.dueAt);
    return dueAts.length > 0 ? Math.min(...dueAts) - this.at : undefined;
  }

  /** Also forgets what was done so far. */
  look(): View {
    const done = this.#done;
    this.#done = noDoings();
    if (this.threw !== undefined) return { ...NOTHING, status: 'error', error: (this.threw.cause as Error).message, done };
    const { value, context, status, output, error, activities = {}, timers = {} } = this.snapshot;
    return {
      value,
      context,
      status,
      output,
      error: error?.message,
      activities: Object.keys(activities).sort(),
      timers: Object.entries(timers)
        .map(([id, timer]) => timerView(id, timer.dueAt))
        .sort(),
      done,
    };
  }

  #elapse(until: Instant): void {
    while (this.active) {
      const [next] = outstanding(this.snapshot).timers.toSorted((a, b) => a.dueAt - b.dueAt || a.visit - b.visit);
      if (next === undefined || next.dueAt > until) break;
      this.at = instant(Math.max(this.at, next.dueAt));
      this.#hear(timerFired(next.id, next.visit, next));
      this.#drain();
    }
    this.at = until;
  }

  #drain(): void {
    for (let next = this.#toSelf.shift(); next !== undefined; next = this.#toSelf.shift()) this.#hear(next);
  }

  #hear(stimulus: Stimulus | undefined): void {
    if (stimulus === undefined || !this.active) return;
    const environment = this.#environment(stimulus.event.type);
    const before = deepFreeze(this.snapshot);
    const heard = this.#attempt(() => this.statechart.step(before, stimulus, environment));
    if (stimulus.kind === 'event' || this.threw !== undefined) return;
    if (!heard) throw new Error(`${stimulus.kind} '${stimulus.id}' is outstanding, and was refused`);
    const again = this.statechart.step(this.snapshot, stimulus, environment);
    if (again !== undefined) throw new Error(`delivered twice, ${stimulus.kind} '${stimulus.id}' was heard twice`);
  }

  #attempt(decide: () => Step | undefined): boolean {
    try {
      const step = decide();
      if (step === undefined) return false;
      this.bytes = JSON.stringify(step.snapshot);
      this.decided += JSON.stringify(step);
      for (const effect of JSON.parse(JSON.stringify(step.effects)) as Effect[]) this.#carryOut(effect);
      return true;
    } catch (error) {
      if (!(error instanceof StatechartCodeError)) throw error;
      this.threw = error;
      return false;
    }
  }

  #carryOut(effect: Effect): void {
    switch (effect.type) {
      case 'runAction':
        this.#done.actions.push([effect.name, effect.params]);
        break;
      case 'emit':
        this.#done.emitted.push(effect.event);
        break;
      case 'log':
        this.#done.logged.push(effect.label ? [effect.label, effect.value] : [effect.value]);
        break;
      case 'send':
        if (effect.to === SELF) this.#toSelf.push({ kind: 'event', event: effect.event });
        else this.#done.sent.push([effect.to, effect.event]);
    }
  }

  #environment(eventType: string) {
    return { at: this.at, seed: seedOf(this.at, eventType) };
  }
}

/** Undefined: there is no such activity or timer now. */
export function stimulusOf({ activities = {}, timers = {} }: Snapshot, move: TimelessMove): Stimulus | undefined {
  if (move.do === 'hear') return { kind: 'event', event: move.event };
  if (move.do === 'fire') {
    const timer = timers[move.id];
    return timer && timerFired(move.id, timer.visit, timer);
  }
  const activity = activities[move.id];
  if (activity === undefined || activity.finished) return undefined;
  return move.do === 'resolve' ? activityDone(move.id, activity.visit, move.output) : activityFailed(move.id, activity.visit, move.error);
}

const NOTHING = { value: undefined, context: undefined, output: undefined, activities: [], timers: [] };

function deepFreeze<Value>(value: Value): Value {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(deepFreeze);
  }
  return value;
}
