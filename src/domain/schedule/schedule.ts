/** A schedule: a rule that starts runs, and what has become of it so far. */
import { type Instant, type JobTypeId, type RunId, type ScheduleId, scheduledRunId } from '../ids.ts';
import type { Lane } from '../job-type.ts';
import type { Actor } from '../run-event.ts';
import { jitterOf } from './jitter.ts';
import type { Timing } from './timing.ts';

/** What is done about occurrences that nobody decided in time, whatever the reason: down, suspended, paused, clock moved. */
export interface CatchUp {
  /** Nothing is started late; the latest one is; all are, one after the other. */
  readonly policy: 'none' | 'latest' | 'all';
  /** Later than this an occurrence is missed. */
  readonly windowMs: number;
  /** At most so many wait to be caught up; older ones are missed. */
  readonly cap: number;
  /** Between two that are caught up, so that they do not come as a storm. */
  readonly dripMs: number;
}

/** What is done while the run of an earlier occurrence has not ended. */
export const OVERLAPS = ['skip', 'buffer-one', 'buffer-all', 'cancel-other', 'allow-all'] as const;
export type Overlap = (typeof OVERLAPS)[number];

/** The old service's: coalesce, one instance, five minutes of grace (contracts §11.1). */
export const DEFAULT_CATCH_UP: CatchUp = { policy: 'latest', windowMs: 300_000, cap: 100, dripMs: 1_000 };
export const DEFAULT_OVERLAP: Overlap = 'skip';

export interface ScheduleSpec {
  readonly jobType: JobTypeId;
  readonly timing: Timing;
  /** Of every run. */
  readonly input: unknown;
  readonly lane: Lane;
  readonly catchUp: CatchUp;
  readonly overlap: Overlap;
  /** Pauses itself when so many runs in a row have ended badly; 0: never. */
  readonly pauseAfterFailures: number;
  /** Of the run of a schedule that starts only one. @default named after the occurrence */
  readonly runId?: RunId;
  readonly description?: string;
}

export interface Occurrence {
  readonly dueAt: Instant;
  readonly runId: RunId;
  /** Somebody asked for it at that time: no rule named it, and the ledger does not. */
  readonly triggered?: true;
}

export interface Pause {
  readonly since: Instant;
  readonly actor?: Actor;
  readonly note?: string;
}

/** As it stands in every event of the schedule, so that the last one is enough (invariant 1). */
export interface ScheduleState {
  readonly id: ScheduleId;
  readonly spec: ScheduleSpec;
  /** Of the spec: 1, and one more with every update. */
  readonly revision: number;
  /** `code`: it is declared next to its statechart, and goes where that goes. A person's change makes it the `operator`'s for good. */
  readonly owner: 'code' | 'operator';
  readonly status: 'active' | 'paused' | 'finished' | 'deleted';
  readonly pause?: Pause;
  /** The last pause that is over. */
  readonly paused?: { readonly since: Instant; readonly until: Instant };
  /** Every occurrence up to here is decided, this instant included. */
  readonly decidedUntil: Instant;
  /** No catch-up before. */
  readonly notBefore?: Instant;
  /** Wait for the run before them; their fate is open. Oldest first. */
  readonly waiting: readonly Occurrence[];
  /** Started and not known to have ended, the latest of them. Oldest first. */
  readonly running: readonly Occurrence[];
  /** Runs in a row that ended badly. */
  readonly failures: number;
}

/** When the occurrence starts, jitter included. */
export const firesAt = ({ id, spec: { timing } }: Pick<ScheduleState, 'id' | 'spec'>, dueAt: Instant): Instant =>
  (dueAt + jitterOf(id, timing, dueAt)) as Instant;

/** One and the same for every replica, and for a backfill. */
export const occurrenceOf = ({ id, spec }: Pick<ScheduleState, 'id' | 'spec'>, dueAt: Instant): Occurrence => ({
  dueAt,
  runId: spec.runId ?? scheduledRunId(id, dueAt),
});
