/** A run that is put off: a schedule that is due once. */
import type { Command } from 'commander';
import type { Instant } from '../domain/ids.ts';
import type { Actor } from '../domain/run-event.ts';
import type { StartRun } from '../runtime/operations.ts';
import { EXIT } from './exit-codes.ts';
import { type Format, printOne } from './output.ts';
import { withClient } from './session.ts';

/** By then somebody who is there has answered. */
const ANSWER_WITHIN_MS = 10_000;

export async function startLater(
  at: Instant,
  { actor, jobType, runId, input, lane }: StartRun & { readonly actor: Actor },
  output: Format,
  command: Command,
): Promise<void> {
  const { status, answered } = await withClient(command, ({ schedules }) =>
    schedules.startAt(at, { jobType, runId, input, lane }, { actor, timeoutMs: ANSWER_WITHIN_MS }),
  );
  const callOff = `almanac schedule delete ${runId}`;
  await printOne(
    { id: runId, jobType, schedule: runId, at: new Date(at).toISOString(), status: status ?? null, answered, callOff },
    output,
  );
  if (answered) return;
  process.stderr.write(
    `almanac: no process has answered yet. The command is stored; the run starts when it is due and a process is there\n`,
  );
  process.exitCode = EXIT.failed;
}
