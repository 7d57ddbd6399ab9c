import type { Command } from 'commander';
import { ulid } from 'ulid';
import { type RunId, runId, type ScheduleId } from '../domain/ids.ts';
import type { Overlap } from '../domain/schedule/schedule.ts';
import { type AskOptions, controlSchedule } from './control-schedules.ts';

type Options = AskOptions & { overlap?: Overlap; key?: RunId };

export function scheduleTrigger(id: ScheduleId, options: Options, command: Command): Promise<void> {
  const key = options.key ?? runId(ulid().toLowerCase());
  const ask = { key, overlap: options.overlap };
  return controlSchedule(id, options, command, (schedules, _, request) => schedules.trigger(id, ask, request), { runId: key });
}
