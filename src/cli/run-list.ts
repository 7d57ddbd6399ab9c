import type { Command } from 'commander';
import type { JobTypeId } from '../domain/ids.ts';
import { type Format, printRows } from './output.ts';
import { withOperations } from './session.ts';
import { waitingText } from './waiting.ts';

interface Options {
  job?: JobTypeId;
  state?: string;
  outcome?: string;
  limit: number;
  output: Format;
}

export async function runList({ job, state, outcome, limit, output }: Options, command: Command): Promise<void> {
  const runs = await withOperations(command, (operations) => operations.listRuns({ jobType: job, state, outcome, limit }));
  await printRows(runs, output, {
    ID: (run) => run.id,
    'JOB TYPE': (run) => run.jobType,
    STATE: (run) => run.state,
    OUTCOME: (run) => run.outcome,
    WAITING: waitingText,
    STARTED: (run) => run.startedAt,
    ENDED: (run) => run.endedAt,
  });
}
