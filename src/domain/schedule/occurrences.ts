import { Cron } from 'croner';
import { type Instant, instant } from '../ids.ts';
import type { Timing } from './timing.ts';

export function nextOccurrence({ trigger, timeZone, startAt, endAt }: Timing, after: Instant): Instant | undefined {
  const from = startAt === undefined ? after : Math.max(after, startAt - 1);
  let next: number | undefined;
  if (trigger.kind === 'once') next = trigger.at > from ? trigger.at : undefined;
  else if (trigger.kind === 'interval')
    next = trigger.anchor + (Math.floor((from - trigger.anchor) / trigger.everyMs) + 1) * trigger.everyMs;
  else next = new Cron(trigger.cron, { timezone: timeZone }).nextRun(new Date(from))?.getTime();
  return next === undefined || (endAt !== undefined && next > endAt) ? undefined : instant(next);
}
export function* occurrencesAfter(timing: Timing, after: Instant, until: Instant): Iterable<Instant> {
  for (let due = nextOccurrence(timing, after); due !== undefined && due <= until; due = nextOccurrence(timing, due)) yield due;
}
export function* occurrencesBefore(timing: Timing, until: Instant, after: Instant): Iterable<Instant> {
  yield* [...occurrencesAfter(timing, after, until)].reverse();
}
export function previousOccurrence(timing: Timing, before: Instant): Instant | undefined {
  return [...occurrencesAfter(timing, (before - 86_400_000 * 8) as Instant, (before - 1) as Instant)].at(-1);
}
export const isOccurrence = (timing: Timing, at: Instant) => nextOccurrence(timing, (at - 1) as Instant) === at;
export const isExcluded = ({ exclusions }: Timing, dueAt: Instant) => exclusions.includes(new Date(dueAt).toISOString().slice(0, 10));
export const jitterOf = (_id: string, { jitterMs }: Timing, dueAt: Instant) => (jitterMs === 0 ? 0 : Math.floor(dueAt / 1000) % jitterMs);
