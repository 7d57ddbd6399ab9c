/** The same patterns in the same zones by APScheduler and by us, and why the answers differ where they do: docs/schedules.md. */
import type { Instant } from '../../src/domain/ids.ts';
import { fromApscheduler } from '../../src/domain/schedule/apscheduler-cron.ts';
import { cronCalendar } from '../../src/domain/schedule/cron-calendar.ts';
import { occurrencesAfter } from '../../src/domain/schedule/occurrences.ts';
import { parseTiming } from '../../src/domain/schedule/parse-timing.ts';
import { spanAt } from '../../src/domain/schedule/zone-clock.ts';
import { fireTimesOf } from '../support/apscheduler.ts';

const DAY = 86_400_000;

/** Past, so that no new release of the time zone data changes it. */
export const TEN_YEARS: Window = [Date.UTC(2015, 0, 1), Date.UTC(2025, 0, 1)];

export const ZONES = [
  ...['UTC', 'Europe/Berlin', 'Europe/London', 'America/New_York', 'America/Sao_Paulo', 'America/Santiago'],
  ...['Australia/Lord_Howe', 'Australia/Sydney', 'Africa/Cairo', 'Africa/Casablanca', 'Antarctica/Troll', 'Asia/Kathmandu'],
];

/** As APScheduler reads them. Due once a week or less. */
const SPARSE = [
  ...['0 0 * * 0', '30 2 * * 6', '0 3 * * sun', '15 4 * * mon', '0 2 * * 5,6', '0 6 * * 0/6', '45 1 * * 6', '0 1 * * 4'],
  ...['0 0 1 * *', '30 2 1,15 * *', '0 5 last * *', '0 12 31 * *', '0 0 29 2 *', '0 0 1 1 *', '59 23 31 12 *', '30 2 25-31 3 6'],
  ...[
    '0 9 13 * 4',
    '0 0 1-7 * mon',
    '30 1 25-31 10 sun',
    '0 4 */10 * *',
    '0 7 1 */3 *',
    '0 8 1 jan-mar *',
    '0 0 last feb *',
    '10 3 8-14 3 6',
  ],
];
const DAILY = [
  ...[
    '0 0 * * *',
    '30 0 * * *',
    '0 1 * * *',
    '30 1 * * *',
    '0 2 * * *',
    '15 2 * * *',
    '30 2 * * *',
    '45 2 * * *',
    '0 3 * * *',
    '30 3 * * *',
  ],
  ...['0 4 * * *', '59 23 * * *', '0 22 * * 0-4', '30 2 * * mon-fri', '0 3 */2 * *', '0 1 * * */2', '30 1,2 * * *', '0 2,3 * * *'],
  ...['0 */6 * * *', '30 1-3 * * *', '0 0,12 * * *', '*/20 2 * * *', '*/30 0-1 * * *'],
];
const HOURLY = ['0 * * * *', '15 * * * *', '0 */2 * * *', '30 */3 * * *', '0 8-17 * * 0-4', '5/25 * * * 1', '*/30 * * * *', '*/20 * * * *'];
const FREQUENT = ['*/15 * * * *', '*/10 1-4 * * *', '7-59/13 0-5 * * *', '*/5 0-3 * * *', '* 1-2 * * 6'];
export const PATTERNS = [...SPARSE, ...DAILY, ...HOURLY, ...FREQUENT];
/** Those that are cheap over all of the time. */
export const isSparse = (pattern: string): boolean => SPARSE.includes(pattern);

/** Milliseconds since the epoch: from (exclusive) and until (inclusive). */
type Window = readonly [from: number, until: number];

interface Change {
  readonly at: number;
  readonly before: number;
  readonly after: number;
}

function changesOf(zone: string, [from, until]: Window): Change[] {
  const changes: Change[] = [];
  for (let span = spanAt(zone, from); span.end < until; ) {
    const next = spanAt(zone, span.end);
    if (next.offset !== span.offset) changes.push({ at: next.start, before: span.offset, after: next.offset });
    span = next;
  }
  return changes;
}

/** The days around every change of the clocks, and around each new year where there is none. */
export function weeksOfChange(zone: string): Window[] {
  const instants = [...changesOf(zone, TEN_YEARS).map(({ at }) => at), ...[2016, 2020, 2024].map((year) => Date.UTC(year, 0, 1))];
  const windows: Window[] = [];
  for (const at of instants.sort((a, b) => a - b)) {
    const start = Math.max(at - 1.5 * DAY, windows.at(-1)?.[1] ?? 0);
    windows.push([start, at + 2 * DAY]);
  }
  return windows;
}

/** Of differences; what each means is in docs/schedules.md. */
interface Kinds {
  gapOurs: number;
  gapTheirs: number;
  firstIsOurs: number;
  secondIsTheirs: number;
  secondIsTheirsToo: number;
  repeatedHourLost: number;
  afterMidnightLost: number;
}
interface Comparison {
  equal: number;
  readonly kinds: Kinds;
  readonly unexplained: string[];
}
const noComparison = (): Comparison => ({
  equal: 0,
  kinds: { gapOurs: 0, gapTheirs: 0, firstIsOurs: 0, secondIsTheirs: 0, secondIsTheirsToo: 0, repeatedHourLost: 0, afterMidnightLost: 0 },
  unexplained: [],
});

/** Adds what it finds to `into`. Of `theirTimes`, all windows one after the other. */
function compare(zone: string, pattern: string, windows: readonly Window[], theirTimes: readonly number[], into: Comparison): void {
  const { cron } = fromApscheduler(pattern);
  const timing = parseTiming({ cron }, { timeZone: zone });
  const ourTimes = windows.flatMap(([from, until]) => [...occurrencesAfter(timing, from as Instant, until as Instant)] as number[]);
  const ours = new Set(ourTimes);
  const theirs = new Set(theirTimes);
  const changes = changesOf(zone, [windows[0]![0] - DAY, windows.at(-1)![1] + DAY]);
  const { atOrAfter, everyHour } = cronCalendar(cron);
  const names = (local: number) => atOrAfter(local) === local;

  const kindOfOurs = (at: number, shared: number): keyof Kinds | undefined => {
    const local = at + spanAt(zone, at).offset;
    for (const { at: change, before, after } of changes) {
      const shift = after - before;
      const inGap = atOrAfter(change + before);
      if (shift > 0 && at === change && !everyHour && inGap !== undefined && inGap < change + after) return 'gapOurs';
      if (shift < 0 && everyHour && at >= change + shift && at < change - shift) return 'repeatedHourLost';
      if (shift < 0 && !everyHour && at >= change + shift && at < change && theirs.has(at - shift)) return 'firstIsOurs';
    }
    const crossed = changes.find(({ at: change, before, after }) => change > shared && change < at && local % DAY < after - before);
    return crossed && 'afterMidnightLost';
  };
  const kindOfTheirs = (at: number): keyof Kinds | undefined => {
    for (const { at: change, before, after } of changes) {
      const shift = after - before;
      if (shift > 0 && at >= change && at < change + shift && names(at + before)) return 'gapTheirs';
      if (shift < 0 && !everyHour && at >= change && at < change - shift && ours.has(at + shift))
        return theirs.has(at + shift) ? 'secondIsTheirsToo' : 'secondIsTheirs';
    }
    return undefined;
  };
  const count = (at: number, kind: keyof Kinds | undefined, whose: string) => {
    if (kind !== undefined) into.kinds[kind]++;
    else into.unexplained.push(`${zone} "${pattern}" (${cron}): only ${whose} ${new Date(at).toISOString()}`);
  };

  for (const [from, until] of windows) {
    let shared = from;
    for (const at of ourTimes.filter((time) => time > from && time <= until)) {
      if (!theirs.has(at)) count(at, kindOfOurs(at, shared), 'ours');
      else {
        into.equal++;
        shared = at;
      }
    }
  }
  for (const at of theirs) if (!ours.has(at)) count(at, kindOfTheirs(at), 'theirs');
  if (theirs.size !== theirTimes.length) into.unexplained.push(`${zone} "${pattern}": APScheduler fires twice at the same instant`);
}

interface Task {
  readonly zone: string;
  readonly patterns: readonly string[];
  readonly windows: readonly Window[];
}

/** Asks APScheduler, in one process, and compares. */
export async function compareAll(tasks: readonly Task[], told: (task: Task, sofar: Comparison) => void = () => {}): Promise<Comparison> {
  const result = noComparison();
  const pending = [...tasks];
  for await (const times of fireTimesOf(tasks)) {
    const task = pending.shift()!;
    for (const [index, pattern] of task.patterns.entries()) compare(task.zone, pattern, task.windows, times[index]!, result);
    told(task, result);
  }
  return result;
}
