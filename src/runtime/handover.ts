/**
 * What must be so once a run needs nobody, or somebody else: its end is told, its wake is set, or it is held again. Whoever stored the last
 * event sees to it before acknowledging the command that led there, so a crash in between only repeats it.
 */
import { RUN_FAILED } from '../domain/dead-letter.ts';
import type { Instant, JobTypeId } from '../domain/ids.ts';
import { REFUSED } from '../domain/outcome.ts';
import { NOBODY, type Run } from '../domain/run.ts';
import { readRunEvent } from '../domain/run-event.ts';
import { CHILD_FINISHED, type ChildFinished } from '../domain/signal.ts';
import { childNamedIn } from '../domain/start-command.ts';
import { describeState, outcomeOf, type Snapshot } from '../domain/statechart/snapshot.ts';
import type { CommandSender, DeadLetter, DeadLetters, Lease, RunLog } from './ports.ts';

export interface HandoverOptions {
  readonly commands: CommandSender;
  readonly deadLetters: DeadLetters;
  readonly runs: RunLog;
}

/** Outputs above this stay in the child's own history, so that a parent's events stay small. */
const MAX_REPORTED_OUTPUT_CHARACTERS = 4_096;

/**
 * A wake for a parked run; nothing for one that waits for a signal alone.
 *
 * @param atMostMs After this the clocks are asked again, whatever ours says now.
 * @throws {StorageRefusedError} as every command
 */
export async function setWake(
  { commands }: Pick<HandoverOptions, 'commands'>,
  run: Run,
  now: Instant,
  atMostMs = Number.POSITIVE_INFINITY,
): Promise<void> {
  const until = run.parked?.until;
  if (until == null) return;
  const forMs = Math.min(atMostMs, Math.max(0, Date.parse(until) - now));
  await commands.wake(run, { until, forMs, lane: run.lease.lane });
}

/** Whether the end of the run concerns anybody: most runs end and need nothing of this. */
export const concernsOthers = (run: Run): boolean => run.parent !== undefined || outcomeOf(run.snapshot) === 'failed';

/** Tells the parent, and makes a dead letter of a run that has failed. @param stack Of the last error, where it is known. */
export async function tellEnd(options: HandoverOptions, run: Run, stack?: string): Promise<void> {
  const { jobType, runId, parent, snapshot, revision } = run;
  const outcome = outcomeOf(snapshot) ?? '';
  if (outcome === 'failed') await options.deadLetters.add(await letterOf(options, run, stack));
  if (parent === undefined) return;
  const event: ChildFinished = { type: CHILD_FINISHED, child: runId, jobType, outcome, ...reportedOutput(snapshot) };
  await options.commands.signal(parent, { event: { ...event }, optional: true, messageId: `${jobType}/${runId}/end/${revision}` });
}

/** A child that will never begin: its parent must not wait for it. @throws {StorageRefusedError} as every command */
export async function tellRefusal(
  { commands }: Pick<HandoverOptions, 'commands'>,
  jobType: JobTypeId,
  { body, command }: Pick<Lease, 'body' | 'command'>,
  message: string,
) {
  const named = childNamedIn(body);
  if (named === undefined) return;
  const { runId, parent } = named;
  const event: ChildFinished = {
    type: CHILD_FINISHED,
    child: runId,
    jobType,
    outcome: REFUSED,
    output: { error: { message: message.slice(0, MAX_REPORTED_OUTPUT_CHARACTERS) } },
  };
  await commands.signal(parent, { event: { ...event }, optional: true, messageId: `${jobType}/${runId}/refused/${command}` });
}

/** For start commands that no process takes. */
export const withParentsTold = (deadLetters: DeadLetters, commands: CommandSender): DeadLetters => ({
  async add(letter) {
    const { jobType, runId, body, sequence: command, reason } = letter;
    if (runId !== undefined) await tellRefusal({ commands }, jobType as JobTypeId, { body, command }, reason);
    await deadLetters.add(letter);
  },
});

/** The run's first command, as far as the log keeps it. Sending it again begins the run anew. */
async function letterOf({ commands, runs }: HandoverOptions, run: Run, stack: string | undefined): Promise<DeadLetter> {
  const { jobType, runId, parent, lease, sequence, traceparent } = run;
  const first = await runs.first(jobType, runId);
  const body = new TextEncoder().encode(JSON.stringify({ key: runId, input: first?.event.data.input, parent }));
  return {
    origin: 'run',
    jobType,
    runId,
    subject: commands.startSubject(jobType, lease.lane),
    sequence: lease.command === NOBODY ? sequence : lease.command,
    body,
    headers: traceparent === undefined ? {} : { traceparent },
    attempts: attemptsOf(run),
    code: RUN_FAILED,
    reason: reasonOf(run),
    stack,
  };
}

/** Of the step that failed, where the run counts them as `defineJob` does: by step, the last one last. Else deliveries of the command. */
function attemptsOf({ snapshot: { output }, lease }: Run): number {
  const { attempts } = (output ?? {}) as { attempts?: unknown };
  const last: unknown = typeof attempts === 'object' && attempts !== null ? Object.values(attempts).at(-1) : undefined;
  return Number.isSafeInteger(last) ? (last as number) : Math.max(1, lease.delivery);
}

/** What the run itself says in its output, else the error that its last event was about. */
function reasonOf({ snapshot: { value, output, error }, lastBytes }: Run): string {
  const told = [output, { error }, readRunEvent(lastBytes)?.data.event].map(
    (source) => (source as { error?: { message?: unknown } } | null | undefined)?.error?.message,
  );
  return told.find((message) => typeof message === 'string') ?? `the run ended in ${describeState(value)}`;
}

function reportedOutput({ output }: Snapshot): { output?: unknown } {
  return output === undefined || JSON.stringify(output).length > MAX_REPORTED_OUTPUT_CHARACTERS ? {} : { output };
}
