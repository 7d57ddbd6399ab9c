import type { Command } from 'commander';
import type { JobTypeId } from '../domain/ids.ts';
import { type Format, printRows } from './output.ts';
import { withClient } from './session.ts';
import { tellStandstill } from './standstill-notice.ts';

export async function scheduleList(
  { job, status, output }: { job?: JobTypeId; status?: string; output: Format },
  command: Command,
): Promise<void> {
  const schedules = await withClient(command, (client) => client.schedules.list({ jobType: job, status }));
  await printRows(schedules, output, {
    ID: ({ id }) => id,
    'JOB TYPE': ({ jobType }) => jobType,
    STATUS: ({ status }) => status,
    NEXT: ({ next }) => next,
    TIMING: ({ timing }) => timing,
    RUNNING: ({ running }) => String(running.length),
    WAITING: ({ waiting }) => String(waiting.length),
    OWNER: ({ owner }) => owner,
    NOTE: ({ pause, standstill }) => pause?.note ?? (standstill && 'all schedules are paused'),
  });
  tellStandstill(schedules[0]?.standstill ?? null);
}
