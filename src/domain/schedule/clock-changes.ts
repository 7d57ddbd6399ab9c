/** What happens to a schedule when the clocks of its zone change, found out by asking the calendar of occurrences about other policies. */
import type { Instant } from '../ids.ts';
import { cronCalendar } from './cron-calendar.ts';
import { isOccurrence, occurrencesAfter } from './occurrences.ts';
import type { Timing } from './timing.ts';
import { localDay, readings, spanAt } from './zone-clock.ts';

export interface ClockChange {
  /** First instant on the new time. */
  readonly at: Instant;
  /** Local time minus UTC before and from then on, in milliseconds. */
  readonly before: number;
  readonly after: number;
}

/** Those in `(after, until]`. */
export function* clockChanges(timeZone: string, after: Instant, until: Instant): Generator<ClockChange, void, undefined> {
  for (let span = spanAt(timeZone, after); span.end <= until; ) {
    const next = spanAt(timeZone, span.end);
    if (next.offset !== span.offset) yield { at: span.end as Instant, before: span.offset, after: next.offset };
    span = next;
  }
}

/** Of the local day that this instant is on. */
export function clockChangeOfDay(timeZone: string, at: Instant): ClockChange | undefined {
  const day = localDay(timeZone, at);
  const DAY_MS = 86_400_000;
  for (const change of clockChanges(timeZone, (at - DAY_MS) as Instant, (at + DAY_MS) as Instant)) {
    if (localDay(timeZone, change.at) === day) return change;
  }
  return undefined;
}

/**
 * - `moved`: its local time does not exist, so it is due at the end of the gap. `gap-skipped`: it does not exist, so it is not due.
 * - `first`, `second`: its local time comes twice, and this is one of them. `repeat-skipped`: the policy is for the other one.
 */
export type ClockEffect = 'moved' | 'gap-skipped' | 'first' | 'second' | 'repeat-skipped';

/** With every time that the pattern could mean, whether the DST policy leaves it out or not. */
export const everyReading = (timing: Timing): Timing => ({ ...timing, dst: { gap: 'run-after', overlap: 'both' } });

/** Undefined: no change of the clocks has anything to do with it. @param at an occurrence of {@link everyReading} */
export function clockEffect(timing: Timing, at: Instant): ClockEffect | undefined {
  if (timing.trigger.kind !== 'cron') return undefined;
  if (!isOccurrence({ ...timing, dst: { gap: 'skip', overlap: 'both' } }, at)) return isOccurrence(timing, at) ? 'moved' : 'gap-skipped';
  const same = readings(timing.timeZone, at + spanAt(timing.timeZone, at).offset);
  if (same.length < 2 || !dependsOnPolicy(timing, same)) return undefined;
  if (!isOccurrence(timing, at)) return 'repeat-skipped';
  return at === same[0] ? 'first' : 'second';
}

/** A pattern that names every hour is due at both readings whatever the policy says: nothing is decided there. */
const dependsOnPolicy = (timing: Timing, same: readonly number[]): boolean =>
  same.some((at) => !isOccurrence({ ...timing, dst: { gap: 'skip', overlap: 'first' } }, at as Instant));

/** A pattern of seconds has thousands in an hour. */
const MOST_EFFECTS = 100;

/** What becomes of the occurrences around a change; of very many, of the first ones. */
export function effectsOf(timing: Timing, change: ClockChange): { readonly at: Instant; readonly effect: ClockEffect }[] {
  const found: { at: Instant; effect: ClockEffect }[] = [];
  if (timing.trigger.kind !== 'cron' || cronCalendar(timing.trigger.cron).everyHour) return found;
  const reach = Math.abs(change.after - change.before);
  for (const at of occurrencesAfter(everyReading(timing), (change.at - reach - 1) as Instant, (change.at + reach) as Instant)) {
    const effect = clockEffect(timing, at);
    if (effect !== undefined && found.push({ at, effect }) === MOST_EFFECTS) break;
  }
  return found;
}

export const changeText = ({ at, before, after }: ClockChange): string =>
  `the clocks go from ${clockTime(at + before)} to ${clockTime(at + after)}`;
const clockTime = (local: number): string => new Date(local).toISOString().slice(11, 16);

/** For people: `2026-11-23 03:00:00 +01:00`. */
export function localText(timeZone: string, at: Instant): string {
  const { offset } = spanAt(timeZone, at);
  const minutes = Math.abs(offset) / 60_000;
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0');
  const shown = new Date(at + offset).toISOString().slice(0, 19).replace('T', ' ');
  return `${shown} ${offset < 0 ? '-' : '+'}${two(minutes / 60)}:${two(minutes % 60)}`;
}
