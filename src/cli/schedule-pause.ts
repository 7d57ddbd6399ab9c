import type { Command } from 'commander';
import type { ScheduleId } from '../domain/ids.ts';
import { type AskOptions, controlSchedules } from './control-schedules.ts';

export const schedulePause = (ids: readonly ScheduleId[], options: AskOptions & { note?: string }, command: Command): Promise<void> =>
  controlSchedules(ids, options, command, (schedules, id, request) => schedules.pause(id, options.note, request));
