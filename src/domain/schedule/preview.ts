/** When a schedule is due next, with all that is special about a day: for people who want to see before they wait. */
import type { Instant, ScheduleId } from '../ids.ts';
import { type ClockEffect, changeText, clockChangeOfDay, clockEffect, everyReading, localText } from './clock-changes.ts';
import { isExcluded } from './exclusions.ts';
import { jitterOf } from './jitter.ts';
import { nextOccurrence } from './occurrences.ts';
import type { Timing } from './timing.ts';

export interface PreviewRow {
  readonly dueAt: Instant;
  /** By the clocks of the schedule's zone. */
  readonly local: string;
  /** With jitter. */
  readonly startsAt: Instant;
  /** False: it is on an excluded day, or the DST policy leaves it out. */
  readonly runs: boolean;
  /** What is special about it. */
  readonly notes: readonly string[];
}

const EFFECTS: Readonly<Record<ClockEffect, string>> = {
  moved: 'moved: its local time does not exist on that day',
  'gap-skipped': 'left out: its local time does not exist on that day',
  first: 'its local time comes twice, this is the first',
  second: 'its local time comes twice, this is the second',
  'repeat-skipped': 'left out: its local time comes twice, the other one runs',
};

/**
 * The first ones after, and those that a change of the clocks leaves out.
 * @param schedule For its jitter. Without one there is none.
 */
export function preview(timing: Timing, after: Instant, count: number, schedule?: ScheduleId): PreviewRow[] {
  const every = everyReading(timing);
  const rows: PreviewRow[] = [];
  let dueAt = nextOccurrence(every, after);
  for (; dueAt !== undefined && rows.length < count; dueAt = nextOccurrence(every, dueAt)) rows.push(rowOf(timing, dueAt, schedule));
  return rows;
}

function rowOf(timing: Timing, dueAt: Instant, schedule: ScheduleId | undefined): PreviewRow {
  const effect = clockEffect(timing, dueAt);
  const excluded = isExcluded(timing, dueAt);
  const change = clockChangeOfDay(timing.timeZone, dueAt);
  return {
    dueAt,
    local: localText(timing.timeZone, dueAt),
    startsAt: (schedule === undefined ? dueAt : dueAt + jitterOf(schedule, timing, dueAt)) as Instant,
    runs: !excluded && effect !== 'gap-skipped' && effect !== 'repeat-skipped',
    notes: [...(excluded ? ['excluded'] : []), ...(effect ? [EFFECTS[effect]] : []), ...(change ? [changeText(change)] : [])],
  };
}
