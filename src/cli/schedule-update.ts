import type { Command } from 'commander';
import type { ScheduleId } from '../domain/ids.ts';
import { type AskOptions, controlSchedule } from './control-schedules.ts';
import { type SpecOptions, specChange } from './schedule-spec.ts';

export async function scheduleUpdate(id: ScheduleId, options: SpecOptions & AskOptions, command: Command): Promise<void> {
  const change = specChange(options);
  if (Object.keys(change).length === 0) command.error('error: say what is to change: see --help');
  await controlSchedule(id, options, command, (schedules, _, request) => schedules.update(id, change, request));
}
