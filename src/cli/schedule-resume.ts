import type { Command } from 'commander';
import type { ScheduleId } from '../domain/ids.ts';
import { type AskOptions, controlSchedules } from './control-schedules.ts';

export const scheduleResume = (ids: readonly ScheduleId[], options: AskOptions, command: Command): Promise<void> =>
  controlSchedules(ids, options, command, (schedules, id, request) => schedules.resume(id, request));
