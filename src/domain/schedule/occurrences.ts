/**
 * When a schedule is due. Excluded days are included: that an occurrence does not run is an outcome, not a hole. Nothing outside of
 * `startAt` and `endAt`, or of the years 1970 to 9999, is due. Every answer takes bounded time, also when it is "never".
 */
import type { Instant } from '../ids.ts';
import { firstAfter, lastBefore } from './cron-occurrences.ts';
import { EARLIEST, LATEST, type Timing } from './timing.ts';

/** Whoever decides on an occurrence has asked for it when its alarm was set, and asks several times for the one after it. */
const latestAnswers = new WeakMap<Timing, { readonly after: Instant; readonly next: Instant | undefined }>();

/** The first occurrence strictly after; undefined when there is none. */
export function nextOccurrence(timing: Timing, after: Instant): Instant | undefined {
  const latest = latestAnswers.get(timing);
  if (latest?.after === after) return latest.next;
  const { first, last } = boundsOf(timing);
  const due = dueAfter(timing, Math.max(after, first - 1), last);
  const next = due === undefined || due > last ? undefined : (due as Instant);
  latestAnswers.set(timing, { after, next });
  return next;
}

/** The last occurrence strictly before; undefined when there is none. */
export function previousOccurrence(timing: Timing, before: Instant): Instant | undefined {
  const { first, last } = boundsOf(timing);
  const previous = dueBefore(timing, Math.min(before, last + 1), first);
  return previous === undefined || previous < first ? undefined : (previous as Instant);
}

/** Those in `(after, until]`, the earliest first. */
export function* occurrencesAfter(timing: Timing, after: Instant, until: Instant): Generator<Instant, void, undefined> {
  for (let due = nextOccurrence(timing, after); due !== undefined && due <= until; due = nextOccurrence(timing, due)) yield due;
}

/** Those in `(after, until]`, the latest first. */
export function* occurrencesBefore(timing: Timing, until: Instant, after: Instant): Generator<Instant, void, undefined> {
  const before = (until + 1) as Instant;
  for (let due = previousOccurrence(timing, before); due !== undefined && due > after; due = previousOccurrence(timing, due)) yield due;
}

export const isOccurrence = (timing: Timing, at: Instant): boolean => nextOccurrence(timing, (at - 1) as Instant) === at;

function boundsOf({ startAt = EARLIEST, endAt = LATEST }: Timing): { readonly first: number; readonly last: number } {
  return { first: Math.max(startAt, EARLIEST), last: Math.min(endAt, LATEST) };
}

function dueAfter({ trigger, timeZone, dst }: Timing, after: number, last: number): number | undefined {
  switch (trigger.kind) {
    case 'cron':
      return firstAfter({ cron: trigger.cron, timeZone, dst }, after, last);
    case 'interval':
      return after + trigger.everyMs - modulo(after - trigger.anchor, trigger.everyMs);
    case 'once':
      return trigger.at > after ? trigger.at : undefined;
  }
}

function dueBefore({ trigger, timeZone, dst }: Timing, before: number, first: number): number | undefined {
  switch (trigger.kind) {
    case 'cron':
      return lastBefore({ cron: trigger.cron, timeZone, dst }, before, first);
    case 'interval':
      return before - 1 - modulo(before - 1 - trigger.anchor, trigger.everyMs);
    case 'once':
      return trigger.at < before ? trigger.at : undefined;
  }
}

/** Never negative, unlike `%`. */
const modulo = (value: number, by: number): number => ((value % by) + by) % by;
