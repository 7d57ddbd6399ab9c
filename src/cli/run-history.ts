import type { Command } from 'commander';
import { jobTypeId, runId } from '../domain/ids.ts';
import { eventColumns } from './event-columns.ts';
import { type Format, printRows } from './output.ts';
import { withOperations } from './session.ts';

export async function runHistory(id: string, { job, output }: { job?: string; output: Format }, command: Command): Promise<void> {
  const [run, jobType] = [runId(id), job === undefined ? undefined : jobTypeId(job)];
  const history = await withOperations(command, (operations) => operations.runHistory(run, jobType));
  await printRows(
    history.map(({ event }) => event),
    output,
    eventColumns,
  );
}
