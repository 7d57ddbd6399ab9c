import type { Command } from 'commander';
import type { ScheduleId } from '../domain/ids.ts';
import { type Format, printOne } from './output.ts';
import { withClient } from './session.ts';

export async function scheduleDescribe(id: ScheduleId, { output }: { output: Format }, command: Command): Promise<void> {
  const schedule = await withClient(command, ({ inspection }) => inspection.describe(id));
  if (output !== 'table') return printOne(schedule, output);
  const next10 = schedule.next10.map(({ dueAt, local, notes }) => `${dueAt} (${[local, ...notes].join('; ')})`);
  await printOne({ ...schedule, next10: Object.fromEntries(next10.map((line, at) => [`${at + 1}.`, line])) }, output);
}
