/** When a schedule is due. croner is used as a calculator of dates, never as a timer. */
import { Cron } from 'croner';
import { ConfigError } from './errors.ts';
import { type Instant, instant } from './ids.ts';

export interface CronRule {
  /** Five fields, or six with seconds first. */
  readonly cron: string;
  /** IANA name, e.g. `Europe/Berlin`. */
  readonly timeZone: string;
}

/**
 * The first due time strictly after `after`; undefined when there is none.
 * @throws {ConfigError} The pattern or the time zone is not valid. The message says which.
 */
export function nextOccurrence({ cron, timeZone }: CronRule, after: Instant): Instant | undefined {
  try {
    const next = new Cron(cron, { timezone: timeZone }).nextRun(new Date(after));
    return next === null ? undefined : instant(next.getTime());
  } catch (cause) {
    throw new ConfigError(`cron ${JSON.stringify(cron)} in time zone ${JSON.stringify(timeZone)}: ${(cause as Error).message}`, { cause });
  }
}

/** The latest due time in `(after, until]`: what is left of several missed ones (coalescing). */
export function latestOccurrence(rule: CronRule, after: Instant, until: Instant): Instant | undefined {
  let latest: Instant | undefined;
  for (let due = nextOccurrence(rule, after); due !== undefined && due <= until; due = nextOccurrence(rule, due)) latest = due;
  return latest;
}
