/** The options that say when a schedule is due, and what they mean. */
import { type Command, Option } from 'commander';
import type { Instant } from '../domain/ids.ts';
import type { TimingChange } from '../domain/schedule/written-timing.ts';
import { duration, time, timeOrNone } from './arguments.ts';

export interface TimingOptions {
  cron?: string;
  every?: number;
  at?: Instant;
  tz?: string;
  dstGap?: 'run-after' | 'skip';
  dstOverlap?: 'first' | 'second' | 'both';
  start?: Instant | null;
  end?: Instant | null;
  exclude?: string[];
  jitter?: number;
}

export const withTimingOptions = (command: Command): Command =>
  command
    .addOption(
      new Option('--cron <pattern>', 'minute, hour, day, month, weekday, e.g. "0 3 * * 1-5"; seconds first if there are six').conflicts([
        'every',
        'at',
      ]),
    )
    .addOption(
      new Option('--every <duration>', 'e.g. 10m; counted from --start, or from 1970').argParser(duration).conflicts(['cron', 'at']),
    )
    .addOption(new Option('--at <time>', 'once, ISO 8601').argParser(time).conflicts(['cron', 'every']))
    .option('--tz <zone>', 'whose clocks count, e.g. Europe/Berlin (default: SCHEDULER_TIMEZONE)')
    .addOption(
      new Option('--dst-gap <policy>', 'a local time that the clocks jump over (default: run-after)').choices(['run-after', 'skip']),
    )
    .addOption(new Option('--dst-overlap <policy>', 'a local time that comes twice (default: first)').choices(['first', 'second', 'both']))
    .addOption(new Option('--start <time>', 'nothing is due before; none: no bound').argParser(timeOrNone))
    .addOption(new Option('--end <time>', 'nothing is due after; none: no bound').argParser(timeOrNone))
    .option('--exclude <days...>', 'local days on which nothing runs: 2026-12-25 or 2026-12-24/2026-12-26; none: no such days')
    .addOption(new Option('--jitter <duration>', 'starts up to so much later, always as much for the same occurrence').argParser(duration));

/** Undefined: nothing is said about it. */
export function timingChange(options: TimingOptions): TimingChange | undefined {
  const { cron, every, at, tz, dstGap, dstOverlap, start, end, exclude, jitter } = options;
  const change: TimingChange = {
    ...(cron !== undefined && { cron }),
    ...(every !== undefined && { everyMs: every }),
    ...(at !== undefined && { at: new Date(at).toISOString() }),
    ...(tz !== undefined && { timeZone: tz }),
    ...((dstGap !== undefined || dstOverlap !== undefined) && {
      dst: { ...(dstGap && { gap: dstGap }), ...(dstOverlap && { overlap: dstOverlap }) },
    }),
    ...(start !== undefined && { startAt: start && new Date(start).toISOString() }),
    ...(end !== undefined && { endAt: end && new Date(end).toISOString() }),
    ...(exclude !== undefined && { exclusions: exclude.length === 1 && exclude[0] === 'none' ? null : exclude }),
    ...(jitter !== undefined && { jitterMs: jitter }),
  };
  return Object.keys(change).length === 0 ? undefined : change;
}
