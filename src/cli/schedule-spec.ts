/** The options that say what a schedule starts, and how. */
import { type Command, Option } from 'commander';
import { type JobTypeId, jobTypeId } from '../domain/ids.ts';
import { LANES, type Lane } from '../domain/job-type.ts';
import { type CatchUp, OVERLAPS, type Overlap } from '../domain/schedule/schedule.ts';
import type { ScheduleChange } from '../runtime/schedule-operations.ts';
import { count, duration, json, upTo } from './arguments.ts';
import { type TimingOptions, timingChange, withTimingOptions } from './schedule-timing.ts';

export interface SpecOptions extends TimingOptions {
  job?: JobTypeId;
  input?: unknown;
  lane?: Lane;
  catchUp?: CatchUp['policy'];
  window?: number;
  cap?: number;
  drip?: number;
  overlap?: Overlap;
  pauseAfterFailures?: number;
  description?: string;
}

export const withSpecOptions = (command: Command): Command =>
  withTimingOptions(command.addOption(new Option('--job <type>', 'what to start: see almanac job list').argParser(jobTypeId)))
    .addOption(new Option('--input <json>', 'input of every run, a JSON object').argParser(json))
    .addOption(new Option('--lane <lane>', 'of those that almanac job list shows for the job type (default: normal)').choices(LANES))
    .addOption(
      new Option('--catch-up <policy>', 'of occurrences that nobody decided in time (default: latest)').choices(['none', 'latest', 'all']),
    )
    .addOption(
      new Option('--window <duration>', 'later than this an occurrence is missed (default: 5m, of --at a year)').argParser(duration),
    )
    .addOption(new Option('--cap <n>', 'at most so many are caught up, older ones are missed (default: 100)').argParser(count))
    .addOption(new Option('--drip <duration>', 'between two that are caught up (default: 1s)').argParser(duration))
    .addOption(new Option('--overlap <policy>', 'while the run of an earlier occurrence has not ended (default: skip)').choices(OVERLAPS))
    .addOption(new Option('--pause-after-failures <n>', 'pause when so many runs in a row end badly; 0: never').argParser(upTo(1_000)))
    .option('--description <text>', 'for people');

export function specChange(options: SpecOptions): ScheduleChange {
  const { job, input, lane, catchUp, window, cap, drip, overlap, pauseAfterFailures, description } = options;
  const timing = timingChange(options);
  const catching = {
    ...(catchUp !== undefined && { policy: catchUp }),
    ...(window !== undefined && { windowMs: window }),
    ...(cap !== undefined && { cap }),
    ...(drip !== undefined && { dripMs: drip }),
  };
  return {
    ...(job && { jobType: job }),
    ...(timing && { timing }),
    ...(input !== undefined && { input }),
    ...(lane && { lane }),
    ...(Object.keys(catching).length > 0 && { catchUp: catching }),
    ...(overlap && { overlap }),
    ...(pauseAfterFailures !== undefined && { pauseAfterFailures }),
    ...(description !== undefined && { description }),
  };
}
