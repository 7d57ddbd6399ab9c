/** Days on which nothing runs. An occurrence on such a day is still one: it is recorded as excluded. */
import type { Instant } from '../ids.ts';
import type { Timing } from './timing.ts';
import { localDay } from './zone-clock.ts';

/** By the date that the clock of the schedule's zone shows when the occurrence is due. */
export function isExcluded({ exclusions, timeZone }: Pick<Timing, 'exclusions' | 'timeZone'>, dueAt: Instant): boolean {
  if (exclusions.length === 0) return false;
  const day = localDay(timeZone, dueAt);
  return exclusions.some((entry) => {
    const [first, last] = daysOf(entry);
    return first <= day && day <= last;
  });
}

/** Undefined when the entry can be used, otherwise what is wrong with it. */
export function exclusionProblem(entry: string): string | undefined {
  if (!/^\d{4}-\d\d-\d\d(\/\d{4}-\d\d-\d\d)?$/.test(entry)) return 'is not a day like 2026-12-25 or a range like 2026-12-24/2026-12-26';
  const [first, last] = daysOf(entry);
  for (const day of [first, last]) if (!isDay(day)) return `names a day that no calendar has: ${day}`;
  return first > last ? 'ends before it begins' : undefined;
}

function daysOf(entry: string): readonly [first: string, last: string] {
  const [first, last = first] = entry.split('/') as [string, string?];
  return [first, last];
}

function isDay(text: string): boolean {
  const date = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
}
