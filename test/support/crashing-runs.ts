/** A world in which any process may die at any point, and one run that has to get through it. */
import { instant } from '../../src/domain/ids.ts';
import type { Effect } from '../../src/domain/statechart/effect.ts';
import { seededRandom } from '../../src/domain/statechart/environment.ts';
import {
  activityDone,
  activityFailed,
  type FoldableStatechart,
  type Step,
  type Stimulus,
  timerFired,
} from '../../src/domain/statechart/fold.ts';
import { outstanding, type Snapshot } from '../../src/domain/statechart/snapshot.ts';

export class Crash extends Error {}
export class ConflictError extends Error {}

interface StoredEvent {
  readonly at: number;
  /** Absent: the run started. */
  readonly stimulus?: Stimulus;
  readonly snapshot: Snapshot;
}

/** What survives: the log. Everything else here only observes. */
class DurableLog {
  readonly #lines: string[] = [];
  /** What the effects of all steps, carried out once each, would leave going on. */
  readonly goingOn = new Set<string>();

  get revision(): number {
    return this.#lines.length;
  }

  get events(): StoredEvent[] {
    return this.#lines.map((line) => JSON.parse(line) as StoredEvent);
  }

  get last(): StoredEvent | undefined {
    const line = this.#lines.at(-1);
    return line === undefined ? undefined : (JSON.parse(line) as StoredEvent);
  }

  /** One writer wins. */
  append(expectedRevision: number, event: StoredEvent, effects: readonly Effect[]): void {
    if (expectedRevision !== this.#lines.length) throw new ConflictError();
    this.#lines.push(JSON.stringify(event));
    if (event.stimulus !== undefined && event.stimulus.kind !== 'event')
      this.goingOn.delete(`${event.stimulus.id} ${event.stimulus.visit}`);
    for (const effect of effects) {
      if (effect.type === 'startActivity' || effect.type === 'armTimer') this.goingOn.add(`${effect.id} ${effect.visit}`);
      if (effect.type === 'stopActivity' || effect.type === 'cancelTimer') this.goingOn.delete(`${effect.id} ${effect.visit}`);
    }
  }
}

export interface World {
  readonly log: DurableLog;
  readonly statechart: FoldableStatechart;
  readonly input: unknown;
  readonly outputs: Readonly<Record<string, unknown>>;
  readonly random: () => number;
  /** Results and firings that were delivered, for delivering them again. */
  readonly delivered: Stimulus[];
  nowMs: number;
}

export const newWorld = (statechart: FoldableStatechart, input: unknown, outputs: World['outputs'], seed: number): World => ({
  log: new DurableLog(),
  statechart,
  input,
  outputs,
  random: seededRandom(`world ${seed}`),
  delivered: [],
  nowMs: 1_700_000_000_000,
});

/** Knows nothing but the log. `mayCrash` is called wherever a process can die. */
export class Holder {
  readonly #world: World;
  readonly #mayCrash: () => void;

  constructor(world: World, mayCrash: () => void) {
    this.#world = world;
    this.#mayCrash = mayCrash;
  }

  /** From loading the run to the end of one piece of work. */
  work(): void {
    const { log, statechart, input, random, outputs } = this.#world;
    if (log.revision === 0) this.#append(0, undefined, statechart.start(input, this.#environment(0)));
    const { activities, timers } = outstanding(log.last!.snapshot);
    for (const { id, visit, src } of activities) {
      this.#mayCrash();
      const roll = random();
      // A hanging activity is left to its timeout.
      if (roll < 0.1) continue;
      const failed = activityFailed(id, visit, { name: 'Transient', message: 'try again' });
      this.#report(roll < 0.35 ? failed : activityDone(id, visit, outputs[src]));
      return;
    }
    const [next] = timers.toSorted((a, b) => a.dueAt - b.dueAt);
    if (next === undefined) return;
    this.#world.nowMs = Math.max(this.#world.nowMs, next.dueAt);
    this.#report(timerFired(next.id, next.visit, next));
  }

  #report(stimulus: Stimulus): void {
    this.#world.delivered.push(stimulus);
    this.deliver(stimulus);
  }

  deliver(stimulus: Stimulus): void {
    const { log, statechart } = this.#world;
    const revision = log.revision;
    const { snapshot } = log.last!;
    this.#mayCrash();
    const step = statechart.step(snapshot, stimulus, this.#environment(revision));
    if (step !== undefined) this.#append(revision, stimulus, step);
  }

  #append(revision: number, stimulus: Stimulus | undefined, { snapshot, effects }: Step): void {
    this.#mayCrash();
    const event = { at: this.#world.nowMs, ...(stimulus === undefined ? {} : { stimulus }), snapshot };
    this.#world.log.append(revision, event, effects);
    this.#mayCrash();
  }

  #environment(revision: number) {
    return { at: instant(this.#world.nowMs), seed: `run:${revision}` };
  }
}

/** The snapshots that folding the stored stimuli gives, as bytes. */
export function refold({ log, statechart, input }: World): string[] {
  let snapshot: Snapshot | undefined;
  return log.events.map(({ at, stimulus }, revision) => {
    const environment = { at: instant(at), seed: `run:${revision}` };
    const step = snapshot === undefined ? statechart.start(input, environment) : statechart.step(snapshot, stimulus!, environment);
    snapshot = step!.snapshot;
    return JSON.stringify(snapshot);
  });
}
