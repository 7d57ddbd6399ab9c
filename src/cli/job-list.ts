import { jobTypes } from '../../machines/index.ts';
import { type Format, printRows } from './output.ts';

export async function jobList({ output }: { output: Format }): Promise<void> {
  const rows = jobTypes.map(({ id, summary, cron }) => ({ id, summary, cron: cron ?? null }));
  await printRows(rows, output, { 'JOB TYPE': ({ id }) => id, CRON: ({ cron }) => cron, SUMMARY: ({ summary }) => summary });
}
