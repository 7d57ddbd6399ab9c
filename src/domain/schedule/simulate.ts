/**
 * What schedules would do in the time to come: the decisions of production, over a clock that jumps from one to the next. Runs last as
 * long as the caller says. Bounded: of a schedule that is due very often, the beginning is played.
 */
import type { Instant, JobTypeId, RunId, ScheduleId } from '../ids.ts';
import { decideDue, nextLook } from './due.ts';
import type { Fate } from './ledger.ts';
import { nextOccurrence } from './occurrences.ts';
import type { Occurrence, ScheduleState } from './schedule.ts';

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
  const starts: SimulatedStart[] = [];
  const fates: Partial<Record<Fate, number>> = {};
  let overlaps = 0;
  let firstOverlap: Instant | undefined;
  const ends = new Map<RunId, Instant>();
  let now: ScheduleState = { ...withoutBacklog(state), decidedUntil: (from - 1) as Instant };
  let decisions = 0;
  let at: Instant | undefined;
  for (; ; decisions++) {
    at = nextMoment(now, ends);
    if (at === undefined || at > until || decisions === most) break;
    const ended = new Map<RunId, string>();
    for (const { runId } of now.running) if ((ends.get(runId) ?? 0) <= at) ended.set(runId, 'succeeded');
    const verdict = decideDue(now, { now: at, ended, suspensions: [] });
    if (verdict === undefined) {
      now = { ...now, running: now.running.filter(({ runId }) => !ended.has(runId)) };
      continue;
    }
    const wasRunning = now.running.length > ended.size;
    const due = nextOccurrence(timing, now.decidedUntil);
    if (wasRunning && lastsMs > 0 && due !== undefined && verdict.state.decidedUntil >= due) {
      overlaps++;
      firstOverlap ??= due;
    }
    for (const { fate } of verdict.entries) fates[fate] = (fates[fate] ?? 0) + 1;
    for (const effect of verdict.effects) {
      if (effect.type === 'cancel') ends.set(effect.runId, at);
      else starts.push(begin(state, effect.occurrence, at, lastsMs, ends));
    }
    now = verdict.state;
  }
  const isCutShort = decisions === most && at !== undefined && at <= until;
  const playedUntil = isCutShort ? ((at! - 1) as Instant) : until;
  const schedule = { state, starts, fates, overlaps, ...(firstOverlap !== undefined && { firstOverlap }), playedUntil, isCutShort };
  return { schedule, decisions };
}

function begin(
  { id, spec: { jobType } }: ScheduleState,
  { dueAt, runId }: Occurrence,
  startsAt: Instant,
  lastsMs: number,
  ends: Map<RunId, Instant>,
): SimulatedStart {
  const endsAt = (startsAt + lastsMs) as Instant;
  ends.set(runId, endsAt);
  return { schedule: id, jobType, runId, dueAt, startsAt, endsAt };
}

/** What is on now is left out: when it ends is not known. */
function withoutBacklog({ notBefore: _, ...state }: ScheduleState): ScheduleState {
  return { ...state, waiting: [], running: [] };
}

/** The next due time; or sooner, the end of a run that somebody waits for. */
function nextMoment(state: ScheduleState, ends: ReadonlyMap<RunId, Instant>): Instant | undefined {
  const look = nextLook(state);
  if (state.status !== 'active' || state.waiting.length === 0) return look;
  const end = Math.max(...state.running.map(({ runId }) => ends.get(runId) ?? 0));
  return Math.min(look ?? Number.POSITIVE_INFINITY, end) as Instant;
}
