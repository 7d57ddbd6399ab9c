/**
 * What schedules would do in the time to come: the decisions of production, over a clock that jumps from one to the next. Runs last as
 * long as the caller says. Bounded: of a schedule that is due very often, the beginning is played.
 */
import type { Instant, JobTypeId, RunId, ScheduleId } from '../ids.ts';
import type { Fate } from './ledger.ts';
import { nextOccurrence } from './occurrences.ts';
import { Rehearsal } from './rehearsal.ts';
import type { ScheduleState } from './schedule.ts';

export interface SimulateOptions {
  readonly from: Instant;
  /** Inclusive. */
  readonly until: Instant;
  /** All schedules are paused, and nobody resumes them. @default they are on */
  readonly standStill?: boolean | undefined;
  /** How long a run of that job type lasts, in milliseconds; undefined: nobody knows, and it is taken to end at once. */
  readonly durationMs: (jobType: JobTypeId) => number | undefined;
  /** Decisions about one schedule, at most. @default 50,000 */
  readonly mostOfOne?: number;
  /** Decisions about all of them together, at most. @default 200,000 */
  readonly mostOfAll?: number;
}
export interface SimulatedStart {
  readonly schedule: ScheduleId;
  readonly jobType: JobTypeId;
  readonly runId: RunId;
  readonly dueAt: Instant;
  readonly startsAt: Instant;
  readonly endsAt: Instant;
}
export interface SimulatedSchedule {
  readonly state: ScheduleState;
  readonly starts: readonly SimulatedStart[];
  readonly fates: Readonly<Partial<Record<Fate, number>>>;
  /** Occurrences that would have met a run that had not ended; and the first one. */
  readonly overlaps: number;
  readonly firstOverlap?: Instant;
  /** When so many of its runs in a row were cancelled by the next ones that it pauses itself. */
  readonly pausesAt?: Instant;
  readonly playedUntil: Instant;
  /** It is due too often to be played to the end. */
  readonly isCutShort: boolean;
}

const NOTHING = { starts: [], fates: {}, overlaps: 0, isCutShort: false } as const;

/** Paused schedules, and those that are over, start nothing. */
export function simulate(states: readonly ScheduleState[], options: SimulateOptions): SimulatedSchedule[] {
  if (options.standStill) return states.map((state) => ({ state, ...NOTHING, playedUntil: options.until }));
  let left = options.mostOfAll ?? 200_000;
  return states.map((state) => {
    const played = play(state, options, Math.min(left, options.mostOfOne ?? 50_000));
    left -= played.decisions;
    return played.schedule;
  });
}

function play(state: ScheduleState, options: SimulateOptions, most: number): { schedule: SimulatedSchedule; decisions: number } {
  const { from, until, durationMs } = options;
  const { jobType, timing } = state.spec;
  const lastsMs = durationMs(jobType) ?? 0;
  const rehearsal = new Rehearsal({
    id: state.id,
    timeZone: timing.timeZone,
    state: { ...withoutBacklog(state), decidedUntil: (from - 1) as Instant },
    runOf: (_, startsAt) => ({ endsAt: (startsAt + lastsMs) as Instant, outcome: 'succeeded' }),
  });
  const fates: Partial<Record<Fate, number>> = {};
  let overlaps = 0;
  let firstOverlap: Instant | undefined;
  let decisions = 0;
  let at = rehearsal.nextMoment;
  for (; at !== undefined && at <= until && decisions < most; at = rehearsal.nextMoment) {
    decisions++;
    const due = nextOccurrence(timing, rehearsal.state!.decidedUntil);
    const wasRunning = rehearsal.hasRunning(at);
    const verdict = rehearsal.decide(at);
    if (wasRunning && due !== undefined && verdict !== undefined && verdict.state.decidedUntil >= due) {
      overlaps++;
      firstOverlap ??= due;
    }
    for (const { fate } of verdict?.entries ?? []) fates[fate] = (fates[fate] ?? 0) + 1;
  }
  const isCutShort = at !== undefined && at <= until;
  const playedUntil = isCutShort ? ((at! - 1) as Instant) : until;
  const starts = [...rehearsal.runs].map(({ runId, dueAt, startsAt, endsAt }) => {
    return { schedule: state.id, jobType, runId, dueAt, startsAt, endsAt };
  });
  const pausesAt = state.status === 'active' ? rehearsal.state?.pause?.since : undefined;
  const found = { ...(firstOverlap !== undefined && { firstOverlap }), ...(pausesAt !== undefined && { pausesAt }) };
  return { schedule: { state, starts, fates, overlaps, ...found, playedUntil, isCutShort }, decisions };
}

/** What is on now is left out: when it ends is not known. */
function withoutBacklog({ notBefore: _, ...state }: ScheduleState): ScheduleState {
  return { ...state, waiting: [], running: [] };
}
