/** One request for each of several schedules: what came of it is a row a schedule; what was refused, or contradicts itself, goes to stderr. */
import { type Command, Option } from 'commander';
import { userName } from '../adapters/system/identity.ts';
import type { ScheduleId } from '../domain/ids.ts';
import type { ChangedSchedule, ScheduleOperations, ScheduleRequest } from '../runtime/schedule-operations.ts';
import { seconds } from './arguments.ts';
import { EXIT, exitCodeOf, textOf } from './exit-codes.ts';
import { FORMATS, type Format, printOne, printRows } from './output.ts';
import { withClient } from './session.ts';

export interface AskOptions {
  why?: string;
  /** Seconds. */
  timeout: number;
  output: Format;
}

const EXIT_CODES = `
Exit codes: 0 carried out (or sent, with --timeout 0); 1 no answer in time, the command is stored and will be carried out; 2 what the
schedule is to be cannot be; 3 there is no such schedule or job type; 4 refused: there is another one by that id, it was changed by
somebody else at the same time, or its run has not ended. Of several, the highest.`;

export const withAskOptions = (command: Command, exitCodes = EXIT_CODES): Command =>
  command
    .option('--why <text>', 'recorded with the command')
    .addOption(
      new Option('--timeout <seconds>', 'how long to wait for the process that carries it out; 0: only send the command')
        .argParser(seconds)
        .default(10),
    )
    .addOption(new Option('-o, --output <format>', 'how to print').choices(FORMATS).default('table'))
    .addHelpText('after', exitCodes);

type Ask = (schedules: ScheduleOperations, id: ScheduleId, request: ScheduleRequest) => Promise<ChangedSchedule>;

export async function controlSchedules(ids: readonly ScheduleId[], options: AskOptions, command: Command, ask: Ask): Promise<void> {
  const answers = await withClient(command, ({ schedules }) =>
    Promise.allSettled([...new Set(ids)].map((id) => ask(schedules, id, requestOf(options)))),
  );
  const changed = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  if (changed.length > 0) {
    await printRows(changed, options.output, {
      ID: ({ id }) => id,
      'JOB TYPE': ({ jobType }) => jobType,
      STATUS: ({ status }) => status,
      NEXT: ({ next }) => next,
      TIMING: ({ timing }) => timing,
      ANSWERED: ({ answered }) => (answered ? 'yes' : 'no'),
    });
  }
  const refusals: unknown[] = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason] : []));
  for (const refusal of refusals) process.stderr.write(`almanac: ${textOf(refusal)}\n`);
  process.exitCode = Math.max(EXIT.ok, ...changed.map((each) => tellOf(each, options)), ...refusals.map(exitCodeOf));
}

/** @param more What to print beside the schedule. */
export async function controlSchedule(id: ScheduleId, options: AskOptions, command: Command, ask: Ask, more: object = {}): Promise<void> {
  const changed = await withClient(command, ({ schedules }) => ask(schedules, id, requestOf(options)));
  const { warnings: _, ...shown } = changed;
  await printOne(options.output === 'table' ? { ...more, ...shown } : { ...more, ...changed }, options.output);
  process.exitCode = tellOf(changed, options);
}

export const requestOf = ({ why, timeout }: AskOptions): ScheduleRequest => {
  return { actor: { who: `cli:${userName()}`, ...(why && { why }) }, timeoutMs: Math.round(timeout * 1_000) };
};

export function tellOf({ id, warnings, answered }: ChangedSchedule, { timeout }: AskOptions): number {
  for (const warning of warnings) process.stderr.write(`almanac: schedule ${id}: warning: ${warning}\n`);
  if (answered || timeout === 0) return EXIT.ok;
  process.stderr.write(
    `almanac: schedule ${id}: no answer within ${timeout} s. The command is stored, and carried out as soon as a process is there: see almanac schedule describe\n`,
  );
  return EXIT.failed;
}
