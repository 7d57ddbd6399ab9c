/**
 * The local times that a cron pattern names, on a clock that never changes. croner is used as a calculator of dates, never as a timer,
 * and always in UTC: what happens when the clocks of a zone change is ours to say (cron-occurrences.ts).
 *
 * The times of day and the days of a pattern are kept apart: a hundred thousand schedules have few different days, and croner is asked
 * only about those.
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

/** Of days, each being its midnight. */
interface Days {
  onOrAfter(day: LocalTime): LocalTime | undefined;
  onOrBefore(day: LocalTime): LocalTime | undefined;
}
/** Of times of day in milliseconds, each at most once. */
interface TimesOfDay extends Pick<CronCalendar, 'everyHour' | 'shortestGapMs'> {
  readonly first: number;
  readonly last: number;
  atOrAfter(time: number): number | undefined;
  before(time: number): number | undefined;
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** Dates and weekdays repeat after 400 years: what has not come for so long never comes. */
export const CALENDAR_CYCLE_MS = 146_097 * DAY;
/** croner gives up in the year 3000, so it is asked about the same day of the cycle that begins here. */
const ASKED_CYCLE: LocalTime = Date.UTC(2000, 0, 1);
const LAST_LOCAL: LocalTime = Date.UTC(9999, 11, 31, 23, 59, 59, 999);
const MODE = { mode: '6-part' } as const;
const NAMED: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};

/** A pattern of croner has 70 kB, because it lists years. */
const daysKnown = new RecentlyUsed<Days>(200);
const timesKnown = new RecentlyUsed<TimesOfDay>(5_000);
const calendars = new RecentlyUsed<CronCalendar>(5_000);

/**
 * Five fields (minute, hour, day of month, month, weekday), or six with seconds first, or a name like `@daily`.
 * @throws {TypeError | RangeError} Not a pattern; the message says what is wrong with it.
 */
export const cronCalendar = (cron: string): CronCalendar => calendars.get(cron, () => calendarOf(cron));

function calendarOf(cron: string): CronCalendar {
  const fields = (NAMED[cron.toLowerCase()] ?? cron).split(' ');
  if (fields.length !== 5 && fields.length !== 6)
    throw new RangeError(`it has ${fields.length === 1 ? '1 field' : `${fields.length} fields`}, not 5 or 6`);
  const ofTime = `${fields.length === 5 ? '0 ' : ''}${fields.slice(0, -3).join(' ')}`;
  const ofDay = fields.slice(-3).join(' ');
  const times = timesKnown.get(ofTime, () => timesOfDay(ofTime));
  const days = daysKnown.get(ofDay, () => daysOf(ofDay));
  return {
    atOrAfter(local) {
      const today = midnightOf(local);
      const day = days.onOrAfter(today);
      if (day === undefined || day > today) return upToLast(day, times.first);
      const time = times.atOrAfter(local - today);
      return time === undefined ? upToLast(days.onOrAfter(today + DAY), times.first) : upToLast(today, time);
    },
    before(local) {
      const end = Math.min(local, LAST_LOCAL + 1);
      const today = midnightOf(end);
      const time = days.onOrBefore(today) === today ? times.before(end - today) : undefined;
      if (time !== undefined) return today + time;
      const day = days.onOrBefore(today - DAY);
      return day === undefined ? undefined : day + times.last;
    },
    everyHour: times.everyHour,
    shortestGapMs: times.shortestGapMs,
  };
}

const midnightOf = (local: LocalTime): LocalTime => Math.floor(local / DAY) * DAY;
const upToLast = (day: LocalTime | undefined, time: number): LocalTime | undefined =>
  day === undefined || day + time > LAST_LOCAL ? undefined : day + time;

function daysOf(fields: string): Days {
  const midnights = new Cron(`0 0 0 ${fields}`, { ...MODE, utcOffset: 0 });
  return {
    onOrAfter: remembering((day) => {
      const shift = cyclesBefore(day);
      const next = midnights.nextRun(new Date(day - shift - SECOND));
      return next === null ? undefined : next.getTime() + shift;
    }),
    onOrBefore: remembering((day) => {
      const shift = cyclesBefore(day);
      const [previous] = midnights.previousRuns(1, new Date(day - shift + SECOND));
      return previous === undefined ? undefined : previous.getTime() + shift;
    }),
  };
}

const cyclesBefore = (day: LocalTime): number => Math.floor((day - ASKED_CYCLE) / CALENDAR_CYCLE_MS) * CALENDAR_CYCLE_MS;

/**
 * The last answer holds for all days between the question and the answer, and the next question is mostly about one of those. That there
 * is none holds for all days.
 */
function remembering(find: (day: LocalTime) => LocalTime | undefined): (day: LocalTime) => LocalTime | undefined {
  let last: { readonly asked: LocalTime; readonly answer: LocalTime | undefined } | undefined;
  return (day) => {
    if (last === undefined || !holdsFor(last, day)) last = { asked: day, answer: find(day) };
    return last.answer;
  };
}

const holdsFor = ({ asked, answer }: { asked: LocalTime; answer: LocalTime | undefined }, day: LocalTime): boolean =>
  answer === undefined || (Math.min(asked, answer) <= day && day <= Math.max(asked, answer));

function timesOfDay(fields: string): TimesOfDay {
  const pattern = new CronPattern(`${fields} * * *`, undefined, MODE);
  const [seconds, minutes, hours] = [pattern.second, pattern.minute, pattern.hour].map(valuesOf) as [number[], number[], number[]];
  return {
    first: hours[0]! * HOUR + minutes[0]! * MINUTE + seconds[0]! * SECOND,
    last: hours.at(-1)! * HOUR + minutes.at(-1)! * MINUTE + seconds.at(-1)! * SECOND,
    atOrAfter(time) {
      for (const hour of hours) {
        if ((hour + 1) * HOUR <= time) continue;
        for (const minute of minutes) {
          const start = hour * HOUR + minute * MINUTE;
          const second = start + MINUTE <= time ? undefined : seconds.find((value) => start + value * SECOND >= time);
          if (second !== undefined) return start + second * SECOND;
        }
      }
      return undefined;
    },
    before(time) {
      for (const hour of hours.toReversed()) {
        if (hour * HOUR >= time) continue;
        for (const minute of minutes.toReversed()) {
          const start = hour * HOUR + minute * MINUTE;
          const second = start >= time ? undefined : seconds.findLast((value) => start + value * SECOND < time);
          if (second !== undefined) return start + second * SECOND;
        }
      }
      return undefined;
    },
    everyHour: hours.length === 24,
    shortestGapMs: shortestGapMs(seconds, minutes, hours),
  };
}

/** croner has 1 where a value is named. */
const valuesOf = (field: readonly number[]): number[] => [...field.keys()].filter((value) => field[value]);

function shortestGapMs(seconds: readonly number[], minutes: readonly number[], hours: readonly number[]): number {
  let shortest = DAY;
  /** From the first to the last time named within one value of the next larger field. */
  let span = 0;
  for (const [values, unitMs] of [[seconds, SECOND] as const, [minutes, MINUTE] as const, [hours, HOUR] as const]) {
    for (const [index, value] of values.entries())
      if (index > 0) shortest = Math.min(shortest, (value - values[index - 1]!) * unitMs - span);
    span += (values.at(-1)! - values[0]!) * unitMs;
  }
  return Math.min(shortest, DAY - span);
}
