import type { Command } from 'commander';
import { ulid } from 'ulid';
import { InvalidCommandError } from '../domain/errors.ts';
import { jobTypeId, runId } from '../domain/ids.ts';
import { isFailure } from '../runtime/run-view.ts';
import { EXIT } from './exit-codes.ts';
import { type Format, printOne } from './output.ts';
import { progressLine } from './progress-line.ts';
import { withOperations } from './session.ts';

interface Options {
  input: string;
  key?: string;
  why?: string;
  wait?: true;
  output: Format;
}

export async function runStart(type: string, { input, key, why, wait, output }: Options, command: Command): Promise<void> {
  const start = {
    jobType: jobTypeId(type),
    runId: runId(key ?? ulid().toLowerCase()),
    input: parseJson(input),
    actor: { who: `cli:${process.env.USER || 'unknown'}`, ...(why && { why }) },
  };
  await withOperations(command, async (operations) => {
    if (!wait) {
      const { existed } = await operations.startRun(start);
      return printOne({ id: start.runId, jobType: start.jobType, existed }, output);
    }
    const line = progressLine();
    const run = await operations.startRunAndWait(start, line.show).finally(line.clear);
    await printOne(run, output);
    if (run.outcome !== null && isFailure(run.outcome)) process.exitCode = EXIT.failed;
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new InvalidCommandError('COMMAND_NOT_JSON', `--input is not JSON: ${(cause as Error).message}`, { cause });
  }
}
