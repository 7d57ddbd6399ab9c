/**
 * From the local times of a pattern to instants, in either direction. A pattern that names every hour of the day says how often: it
 * is due whenever the clock shows a time it names. Any other pattern names times of day, and the DST policy says what becomes of one
 * that does not exist or comes twice. Both directions decide with the same {@link isChosen} and {@link endsGap}, so they find the same set.
 */
import { CALENDAR_CYCLE_MS, type CronCalendar, cronCalendar } from './cron-calendar.ts';
import type { DstPolicy, Timing } from './timing.ts';
import { readings, type Span, spanAt } from './zone-clock.ts';

const DAY = 86_400_000;
/**
 * After so long without any occurrence of a pattern its next or previous named time cannot be one that a change of the clocks moved:
 * no clock is further than 16 hours from UTC.
 */
const QUIET_MS = 2 * DAY;
/** From then on time zone data has only rules that are the same every year, so that occurrences repeat with the calendar. */
const REGULAR_SINCE = Date.UTC(2100, 0, 1);

export type CronTiming = Pick<Timing, 'timeZone' | 'dst'> & { readonly cron: string };

/** The first occurrence strictly after `after`; none that is later than `last` need be found. */
export function firstAfter({ cron, timeZone, dst }: CronTiming, after: number, last: number): number | undefined {
  const calendar = cronCalendar(cron);
  const horizon = Math.min(last, Math.max(after, REGULAR_SINCE) + CALENDAR_CYCLE_MS);
  let from = after + 1;
  while (from <= horizon) {
    const span = spanAt(timeZone, from);
    if (span.start === from && endsGap(calendar, dst, span, timeZone)) return from;
    let local = calendar.atOrAfter(from + span.offset);
    const quiet = span.end - from >= QUIET_MS && (local === undefined || local >= span.end + span.offset);
    for (; local !== undefined && local < span.end + span.offset; local = calendar.atOrAfter(local + 1)) {
      if (isChosen(calendar, dst, timeZone, local, local - span.offset)) return local - span.offset;
    }
    if (local === undefined) return undefined;
    from = quiet ? Math.max(span.end, local - DAY) : span.end;
  }
  return undefined;
}

/** The last occurrence strictly before `before`; none that is earlier than `first` need be found. */
export function lastBefore({ cron, timeZone, dst }: CronTiming, before: number, first: number): number | undefined {
  const calendar = cronCalendar(cron);
  let until = before;
  while (until > first) {
    const span = spanAt(timeZone, until - 1);
    let local = calendar.before(until + span.offset);
    const quiet = until - span.start >= QUIET_MS && (local === undefined || local < span.start + span.offset);
    for (; local !== undefined && local >= span.start + span.offset; local = calendar.before(local)) {
      if (isChosen(calendar, dst, timeZone, local, local - span.offset)) return local - span.offset;
    }
    if (endsGap(calendar, dst, span, timeZone)) return span.start;
    if (local === undefined) return undefined;
    until = quiet ? Math.min(span.start, local + DAY) : span.start;
    if (until > REGULAR_SINCE && before - until > CALENDAR_CYCLE_MS) until = REGULAR_SINCE;
  }
  return undefined;
}

/** Whether the pattern is due at this one of the instants at which the clock shows `local`. */
function isChosen({ everyHour }: CronCalendar, { overlap }: DstPolicy, timeZone: string, local: number, at: number): boolean {
  if (everyHour || overlap === 'both') return true;
  return at === readings(timeZone, local).at(overlap === 'first' ? 0 : -1);
}

/** Whether the clocks jumped over named times to where the span begins, and the first instant after the gap stands in for all of them. */
function endsGap(calendar: CronCalendar, { gap }: DstPolicy, { start, offset }: Span, timeZone: string): boolean {
  if (calendar.everyHour || gap === 'skip') return false;
  const jumpedFrom = start + spanAt(timeZone, start - 1).offset;
  const named = calendar.atOrAfter(jumpedFrom);
  return named !== undefined && named < start + offset;
}
