import type { Command } from 'commander';
import type { JobTypeId, RunId } from '../domain/ids.ts';
import { eventColumns } from './event-columns.ts';
import { type Format, printRows } from './output.ts';
import { withOperations } from './session.ts';

export async function runHistory(id: RunId, { job, output }: { job?: JobTypeId; output: Format }, command: Command): Promise<void> {
  const history = await withOperations(command, (operations) => operations.runHistory(id, job));
  await printRows(
    history.map(({ event }) => event),
    output,
    eventColumns,
  );
}
