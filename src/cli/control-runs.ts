/** One request for each of several runs, all at the same time: what came of it is a row a run; what was refused goes to stderr. */
import type { Command } from 'commander';
import { userName } from '../adapters/system/identity.ts';
import type { JobTypeId, RunId } from '../domain/ids.ts';
import type { ControlledRun, ControlRequest, RunControl } from '../runtime/run-control.ts';
import { EXIT, exitCodeOf, textOf } from './exit-codes.ts';
import { type Format, printRows } from './output.ts';
import { withClient } from './session.ts';

export interface ControlOptions {
  job?: JobTypeId;
  why?: string;
  /** Seconds. */
  timeout: number;
  output: Format;
}

export async function controlRuns(
  ids: readonly RunId[],
  { job, why, timeout, output }: ControlOptions,
  command: Command,
  ask: (control: RunControl, request: ControlRequest) => Promise<ControlledRun>,
): Promise<void> {
  const request = { jobType: job, actor: { who: `cli:${userName()}`, ...(why && { why }) }, timeoutMs: Math.round(timeout * 1_000) };
  const answers = await withClient(command, ({ control }) =>
    Promise.allSettled([...new Set(ids)].map((runId) => ask(control, { ...request, runId }))),
  );
  const runs = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  const refusals: unknown[] = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason] : []));
  const unanswered = timeout > 0 ? runs.filter(({ answered }) => !answered) : [];

  if (runs.length > 0) await printRuns(runs, output);
  for (const refusal of refusals) process.stderr.write(`almanac: ${textOf(refusal)}\n`);
  for (const { id } of unanswered) process.stderr.write(`almanac: run ${id}: no answer within ${timeout} s. ${STORED}\n`);
  process.exitCode = Math.max(EXIT.ok, ...refusals.map(exitCodeOf), ...unanswered.map(() => EXIT.failed));
}

const STORED = 'The command is stored, and carried out as soon as a process is there that knows the job type: see almanac run describe';

const printRuns = (runs: readonly ControlledRun[], output: Format) =>
  printRows(runs, output, {
    ID: ({ id }) => id,
    'JOB TYPE': ({ jobType }) => jobType,
    STATE: ({ state }) => state,
    OUTCOME: ({ outcome }) => outcome,
    ANSWERED: ({ answered }) => (answered ? 'yes' : 'no'),
  });
