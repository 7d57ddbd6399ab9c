import type { Command } from 'commander';
import { ulid } from 'ulid';
import { systemClock } from '../adapters/system/clock.ts';
import { userName } from '../adapters/system/identity.ts';
import { InvalidCommandError } from '../domain/errors.ts';
import { type Instant, instant, type JobTypeId, type RunId, runId } from '../domain/ids.ts';
import type { Lane } from '../domain/job-type.ts';
import { isFailure } from '../domain/outcome.ts';
import { EXIT } from './exit-codes.ts';
import { type Format, printOne } from './output.ts';
import { progressLine } from './progress-line.ts';
import { startLater } from './run-start-later.ts';
import { withOperations } from './session.ts';

interface Options {
  input: unknown;
  key?: RunId;
  why?: string;
  lane?: Lane;
  wait?: true;
  at?: Instant;
  /** Milliseconds. */
  in?: number;
  output: Format;
}

export async function runStart(jobType: JobTypeId, options: Options, command: Command): Promise<void> {
  const { input, key, why, lane, wait, output } = options;
  const start = {
    jobType,
    runId: key ?? runId(ulid().toLowerCase()),
    input,
    ...(lane && { lane }),
    actor: { who: `cli:${userName()}`, ...(why && { why }) },
  };
  const at = options.in === undefined ? options.at : instant(systemClock.now() + options.in);
  if (at !== undefined) return startLater(at, start, output, command).catch(explain);
  await withOperations(command, async (operations) => {
    if (!wait) {
      const { existed } = await operations.startRun(start).catch(explain);
      return printOne({ id: start.runId, jobType: start.jobType, existed }, output);
    }
    const line = progressLine();
    const run = await operations.startRunAndWait(start, line.show).catch(explain).finally(line.clear);
    await printOne(run, output);
    if (run.outcome !== null && isFailure(run.outcome)) process.exitCode = EXIT.failed;
  });

  function explain(error: unknown): never {
    if (!(error instanceof InvalidCommandError) || error.code !== 'INPUT_INVALID') throw error;
    throw new InvalidCommandError(error.code, `--input is not what ${jobType} takes:\n${error.message}`, { cause: error });
  }
}
