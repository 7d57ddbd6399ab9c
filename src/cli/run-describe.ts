import type { Command } from 'commander';
import type { JobTypeId, RunId } from '../domain/ids.ts';
import { type Format, printOne } from './output.ts';
import { withOperations } from './session.ts';
import { waitingText } from './waiting.ts';

export async function runDescribe(id: RunId, { job, output }: { job?: JobTypeId; output: Format }, command: Command): Promise<void> {
  const run = await withOperations(command, (operations) => operations.describeRun(id, job));
  await printOne(output === 'table' ? { ...run, waiting: waitingText(run) } : run, output);
}
