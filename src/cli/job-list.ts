import { jobTypes } from '../../machines/index.ts';
import { laneLimits } from '../domain/job-type.ts';
import { type Format, printRows } from './output.ts';

export async function jobList({ output }: { output: Format }): Promise<void> {
  const rows = jobTypes.map((jobType) => {
    const { id, summary, cron, rate } = jobType;
    return { id, summary, cron: cron ?? null, lanes: Object.fromEntries(laneLimits(jobType)), rate: rate ?? null };
  });
  await printRows(rows, output, {
    'JOB TYPE': ({ id }) => id,
    CRON: ({ cron }) => cron,
    LANES: ({ lanes }) =>
      Object.entries(lanes)
        .map(([lane, limit]) => `${lane} ${limit}`)
        .join(', '),
    RATE: ({ rate }) => rate && `${rate.runs} in ${rate.perMs / 1_000} s`,
    SUMMARY: ({ summary }) => summary,
  });
}
