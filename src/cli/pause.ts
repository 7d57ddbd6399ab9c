import type { Command } from 'commander';
import { controlAllSchedules } from './control-all-schedules.ts';
import type { AskOptions } from './control-schedules.ts';

export async function pause(options: AskOptions & { note?: string }, command: Command): Promise<void> {
  await controlAllSchedules(options, command, (schedules, request) => schedules.pause(options.note, request));
}
