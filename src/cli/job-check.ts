import type { Command } from 'commander';
import type { JobTypeId } from '../domain/ids.ts';
import { EXIT } from './exit-codes.ts';
import { type Format, printRows } from './output.ts';
import { withOperations } from './session.ts';

/** For a deployment pipeline, which asks with the code it is about to deploy. */
export async function jobCheck({ job, output }: { job?: JobTypeId; output: Format }, command: Command): Promise<void> {
  const inFlight = await withOperations(command, (operations) => operations.checkDefinitions(job));
  if (inFlight.some((group) => group.with === 'held')) process.exitCode = EXIT.failed;
  await printRows(inFlight, output, {
    'JOB TYPE': ({ jobType }) => jobType,
    DEFINITION: ({ definition }) => definition,
    RUNS: ({ runs }) => String(runs),
    WITH: (group) => group.with,
    EXAMPLES: ({ examples }) => examples.join(', '),
  });
  if (output !== 'table') return;
  for (const { reason } of inFlight) if (reason !== null) process.stderr.write(`almanac: ${reason}\n`);
}
