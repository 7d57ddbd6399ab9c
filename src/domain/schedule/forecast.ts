/** What to look at in a simulation before it happens: collisions, runs that meet, changes of the clocks. */
import { type Instant, instant, type JobTypeId, type ScheduleId } from '../ids.ts';
import { type ClockEffect, changeText, clockChanges, effectsOf } from './clock-changes.ts';
import type { ScheduleState } from './schedule.ts';
import { type SimulatedSchedule, type SimulatedStart, type SimulateOptions, simulate } from './simulate.ts';
import type { Standstill } from './standstill.ts';

/** Of the last runs of a job type, in milliseconds. */
export interface Durations {
  readonly runs: number;
  readonly medianMs: number;
  readonly p95Ms: number;
}
export interface Collision {
  readonly schedules: readonly ScheduleId[];
  readonly count: number;
  /** Begin of the first minute in which they all start. */
  readonly first: Instant;
}
/** Runs of one job type, of several schedules, that would be on at the same time. */
export interface Meeting {
  readonly jobType: JobTypeId;
  readonly schedules: readonly ScheduleId[];
  readonly count: number;
  readonly first: Instant;
}
export interface SelfOverlap {
  readonly schedule: ScheduleId;
  readonly jobType: JobTypeId;
  readonly policy: string;
  readonly count: number;
  readonly first: Instant;
}
export interface ClockDay {
  readonly timeZone: string;
  readonly at: Instant;
  readonly change: string;
  /** Schedules with occurrences that the change moves, leaves out, or that it makes come twice. */
  readonly affected: readonly {
    readonly schedule: ScheduleId;
    readonly effect: ClockEffect;
    readonly count: number;
    readonly first: Instant;
  }[];
}
export interface Forecast {
  /** All schedules are paused: they start nothing. */
  readonly standstill?: Standstill;
  readonly schedules: readonly SimulatedSchedule[];
  readonly collisions: readonly Collision[];
  readonly meetings: readonly Meeting[];
  readonly overlaps: readonly SelfOverlap[];
  readonly clockDays: readonly ClockDay[];
}

const MINUTE_MS = 60_000;

/** Runs are taken to last as long as 95 of 100 of them do at most. */
export function forecast(
  states: readonly ScheduleState[],
  durations: ReadonlyMap<JobTypeId, Durations>,
  { standstill, ...span }: Omit<SimulateOptions, 'durationMs' | 'standStill'> & { readonly standstill?: Standstill | undefined },
): Forecast {
  const schedules = simulate(states, {
    ...span,
    standStill: standstill !== undefined,
    durationMs: (jobType) => durations.get(jobType)?.p95Ms,
  });
  const starts = schedules.flatMap(({ starts }) => starts).sort((a, b) => a.startsAt - b.startsAt);
  return {
    ...(standstill && { standstill }),
    schedules,
    collisions: collisionsOf(starts),
    meetings: meetingsOf(starts),
    overlaps: schedules.flatMap(({ state, overlaps, firstOverlap }) =>
      overlaps === 0 || state.spec.overlap === 'allow-all'
        ? []
        : [{ schedule: state.id, jobType: state.spec.jobType, policy: state.spec.overlap, count: overlaps, first: firstOverlap! }],
    ),
    clockDays: standstill !== undefined ? [] : clockDaysOf(schedules, span.from, span.until),
  };
}

/** Several schedules that start in one minute; those that meet most often first. */
function collisionsOf(starts: readonly SimulatedStart[]): Collision[] {
  const minutes = new Map<number, Set<ScheduleId>>();
  for (const { startsAt, schedule } of starts) {
    const minute = Math.floor(startsAt / MINUTE_MS);
    minutes.set(minute, (minutes.get(minute) ?? new Set()).add(schedule));
  }
  const groups = new Map<string, { schedules: ScheduleId[]; count: number; first: Instant }>();
  for (const [minute, ids] of minutes) {
    if (ids.size > 1) countIn(groups, [...ids].sort(), instant(minute * MINUTE_MS));
  }
  return byCount(groups);
}

function meetingsOf(starts: readonly SimulatedStart[]): Meeting[] {
  const found: Meeting[] = [];
  for (const [jobType, ofType = []] of Map.groupBy(starts, (start) => start.jobType)) {
    const groups = new Map<string, { schedules: ScheduleId[]; count: number; first: Instant }>();
    let longest: SimulatedStart | undefined;
    for (const start of ofType) {
      if (longest !== undefined && longest.schedule !== start.schedule && longest.endsAt > start.startsAt) {
        countIn(groups, [longest.schedule, start.schedule].sort(), start.startsAt);
      }
      if (longest === undefined || start.endsAt >= longest.endsAt) longest = start;
    }
    found.push(...byCount(groups).map((group) => ({ jobType, ...group })));
  }
  return found;
}

function countIn(
  groups: Map<string, { schedules: ScheduleId[]; count: number; first: Instant }>,
  schedules: ScheduleId[],
  at: Instant,
): void {
  const group = groups.get(schedules.join(' '));
  if (group === undefined) groups.set(schedules.join(' '), { schedules, count: 1, first: at });
  else group.count++;
}

const byCount = <Group extends { count: number; first: Instant }>(groups: ReadonlyMap<string, Group>): Group[] =>
  [...groups.values()].sort((a, b) => b.count - a.count || a.first - b.first);

function clockDaysOf(schedules: readonly SimulatedSchedule[], from: Instant, until: Instant): ClockDay[] {
  const days: ClockDay[] = [];
  for (const [timeZone, ofZone] of Map.groupBy(schedules, ({ state }) => state.spec.timing.timeZone)) {
    for (const change of clockChanges(timeZone, from, until)) {
      const affected = ofZone.flatMap(({ state }) => {
        const effects = state.status === 'active' ? effectsOf(state.spec.timing, change) : [];
        return [...Map.groupBy(effects, ({ effect }) => effect)].map(([effect, all]) => {
          return { schedule: state.id, effect, count: all.length, first: all[0]!.at };
        });
      });
      days.push({ timeZone, at: change.at, change: changeText(change), affected });
    }
  }
  return days.sort((a, b) => a.at - b.at);
}
