import { type Command, InvalidArgumentError } from 'commander';
import { jobTypeId } from '../domain/ids.ts';
import { type Format, printRows } from './output.ts';
import { withOperations } from './session.ts';

interface Options {
  job?: string;
  state?: string;
  outcome?: string;
  limit: string;
  output: Format;
}

export async function runList({ job, state, outcome, limit, output }: Options, command: Command): Promise<void> {
  if (!/^[1-9]\d{0,5}$/.test(limit)) throw new InvalidArgumentError(`--limit must be a whole number from 1 to 999999, not ${limit}`);
  const filter = { jobType: job === undefined ? undefined : jobTypeId(job), state, outcome, limit: Number(limit) };
  const runs = await withOperations(command, (operations) => operations.listRuns(filter));
  await printRows(runs, output, {
    ID: (run) => run.id,
    'JOB TYPE': (run) => run.jobType,
    STATE: (run) => run.state,
    OUTCOME: (run) => run.outcome,
    STARTED: (run) => run.startedAt,
    ENDED: (run) => run.endedAt,
  });
}
