import type { Command } from 'commander';
import { jobTypeId, runId } from '../domain/ids.ts';
import { type Format, printOne } from './output.ts';
import { withOperations } from './session.ts';

export async function runDescribe(id: string, { job, output }: { job?: string; output: Format }, command: Command): Promise<void> {
  const [run, jobType] = [runId(id), job === undefined ? undefined : jobTypeId(job)];
  await printOne(await withOperations(command, (operations) => operations.describeRun(run, jobType)), output);
}
