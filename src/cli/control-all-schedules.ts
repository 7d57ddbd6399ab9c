/** One request for all schedules at once, and what came of it. */
import type { Command } from 'commander';
import type { ScheduleRequest } from '../runtime/schedule-operations.ts';
import type { ControlledSchedules, StandstillOperations } from '../runtime/standstill-operations.ts';
import { type AskOptions, requestOf } from './control-schedules.ts';
import { EXIT } from './exit-codes.ts';
import { printOne } from './output.ts';
import { withClient } from './session.ts';

export async function controlAllSchedules(
  options: AskOptions,
  command: Command,
  ask: (schedules: StandstillOperations, request: ScheduleRequest) => Promise<ControlledSchedules>,
): Promise<ControlledSchedules> {
  const controlled = await withClient(command, ({ allSchedules }) => ask(allSchedules, requestOf(options)));
  await printOne(controlled, options.output);
  if (!controlled.answered && options.timeout > 0) {
    process.stderr.write(
      `almanac: no answer within ${options.timeout} s. The command is stored, and carried out as soon as a process is there: see almanac schedule list\n`,
    );
    process.exitCode = EXIT.failed;
  }
  return controlled;
}
