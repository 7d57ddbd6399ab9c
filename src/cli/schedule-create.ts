import type { Command } from 'commander';
import type { ScheduleId } from '../domain/ids.ts';
import { type AskOptions, controlSchedule } from './control-schedules.ts';
import { type SpecOptions, specChange } from './schedule-spec.ts';

export const scheduleCreate = (id: ScheduleId, options: SpecOptions & AskOptions, command: Command): Promise<void> =>
  controlSchedule(id, options, command, (schedules, _, request) => schedules.create(id, specChange(options), request));
