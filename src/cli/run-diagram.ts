import type { Command } from 'commander';
import type { JobTypeId, RunId } from '../domain/ids.ts';
import { write } from './output.ts';
import { withOperations } from './session.ts';

export async function runDiagram(id: RunId, { job }: { job?: JobTypeId }, command: Command): Promise<void> {
  await write(await withOperations(command, (operations) => operations.runDiagram(id, job)));
}
