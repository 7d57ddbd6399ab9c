/**
 * The local times that a cron pattern names, on a clock that never changes. croner is used as a calculator of dates, never as a timer,
 * and always in UTC: what happens when the clocks of a zone change is ours to say (occurrences.ts).
 */
import { Cron, CronPattern } from 'croner';
import { RecentlyUsed } from './recently-used.ts';

/** What the clock on the wall shows, as the milliseconds since the epoch at which a clock in UTC shows the same. */
export type LocalTime = number;

export interface CronCalendar {
  /** The first named time that is not before; undefined when no more comes until the end of the year 9999. */
  atOrAfter(local: LocalTime): LocalTime | undefined;
  /** The last named time before. */
  before(local: LocalTime): LocalTime | undefined;
  /** Every hour of the day is named, as by `*`: the pattern says how often, not at what time of day. */
  readonly everyHour: boolean;
  /** Between two times of day that the pattern names, over midnight included; at most a day. */
  readonly shortestGapMs: number;
}

const SECOND = 1_000;
const DAY = 86_400_000;
/** Dates and weekdays repeat after 400 years: what has not come for so long never comes. */
export const CALENDAR_CYCLE_MS = 146_097 * DAY;
/** croner gives up in the year 3000, so it is asked about the same day of the cycle that begins here. */
const ASKED_CYCLE: LocalTime = Date.UTC(2000, 0, 1);
const LAST_LOCAL: LocalTime = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/** A pattern of croner has 70 kB, because it lists years, and is parsed in 0.03 ms. */
const calendars = new RecentlyUsed<CronCalendar>(500);

/**
 * Five fields (minute, hour, day of month, month, weekday), or six with seconds first, or a name like `@daily`.
 * @throws {TypeError} Not a pattern; the message says what is wrong with it.
 */
export const cronCalendar = (cron: string): CronCalendar => calendars.get(cron, () => calculator(cron));

function calculator(cron: string): CronCalendar {
  const mode = '5-or-6-parts';
  const { second, minute, hour } = new CronPattern(cron, undefined, { mode });
  const dates = new Cron(cron, { mode, utcOffset: 0 });
  return {
    atOrAfter(local) {
      const shift = cyclesBefore(local);
      const next = dates.nextRun(new Date(Math.ceil((local - shift) / SECOND) * SECOND - SECOND));
      return next === null || next.getTime() + shift > LAST_LOCAL ? undefined : next.getTime() + shift;
    },
    before(local) {
      const end = Math.min(local, LAST_LOCAL + 1);
      const shift = cyclesBefore(end);
      const [previous] = dates.previousRuns(1, new Date(end - shift));
      return previous === undefined ? undefined : previous.getTime() + shift;
    },
    everyHour: hour.every(Boolean),
    shortestGapMs: shortestGapMs(second, minute, hour),
  };
}

const cyclesBefore = (local: LocalTime): number => Math.floor((local - ASKED_CYCLE) / CALENDAR_CYCLE_MS) * CALENDAR_CYCLE_MS;

/** Each field as croner has it: 1 where a value is named. */
function shortestGapMs(...[second, minute, hour]: readonly [number[], number[], number[]]): number {
  let shortest = DAY;
  /** From the first to the last time named within one value of the next larger field. */
  let span = 0;
  for (const [field, unitMs] of [
    [second, SECOND],
    [minute, 60 * SECOND],
    [hour, 3_600 * SECOND],
  ] as const) {
    const named = [...field.keys()].filter((value) => field[value]);
    for (const [index, value] of named.entries()) if (index > 0) shortest = Math.min(shortest, (value - named[index - 1]!) * unitMs - span);
    span += (named.at(-1)! - named[0]!) * unitMs;
  }
  return Math.min(shortest, DAY - span);
}
