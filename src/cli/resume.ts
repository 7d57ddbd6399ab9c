import type { Command } from 'commander';
import { controlAllSchedules } from './control-all-schedules.ts';
import type { AskOptions } from './control-schedules.ts';
import { EXIT } from './exit-codes.ts';
import { tellStandstill } from './standstill-notice.ts';

export async function resume(options: AskOptions, command: Command): Promise<void> {
  const { standstill, answered } = await controlAllSchedules(options, command, (schedules, request) => schedules.resume(request));
  if (!answered || standstill === null) return;
  tellStandstill(standstill);
  process.exitCode = EXIT.conflict;
}
