/** Commands that nobody can carry out: each becomes a dead letter, and whoever asked is told (invariant 6). */
import {
  AdoptionRefusedError,
  type AlmanacError,
  CorruptEventError,
  DefinitionChangedError,
  SnapshotMismatchError,
  SnapshotTooLargeError,
  StatechartCodeError,
} from '../domain/errors.ts';
import type { Announcer, DeadLetter, DeadLetters, Lease, Log } from './ports.ts';

export interface UnusableOptions {
  readonly deadLetters: DeadLetters;
  readonly announcer: Announcer;
  readonly log: Log;
}
export type Why = Pick<DeadLetter, 'origin' | 'jobType' | 'runId' | 'code' | 'reason' | 'stack'>;

/** Settles the lease. */
export async function bury({ deadLetters, announcer, log }: UnusableOptions, lease: Lease, why: Why): Promise<void> {
  const { subject, command, body, delivery, headers } = lease;
  try {
    await deadLetters.add({ ...why, subject, sequence: command, body, headers, attempts: delivery });
  } catch (error) {
    log.error({ err: error, subject, command }, 'the dead letter could not be written; the command stays');
    return lease.handBack(retryDelayMs(delivery));
  }
  lease.acknowledge();
  const replyTo = headers[REPLY_TO];
  if (replyTo !== undefined) announcer.reject(replyTo, { code: why.code, reason: why.reason });
}

export const REPLY_TO = 'Almanac-Reply-To';

/** Doubling from one second to five minutes: a broken deployment is tried again soon, a lasting one does not spin. */
export const retryDelayMs = (delivery: number) => Math.min(300_000, 1_000 * 2 ** Math.min(delivery - 1, 9));
/** After so many deliveries of its command, what its own code keeps from going on is laid aside: about two minutes. */
export const DEFAULT_TRIES = 8;

const RUN_PROBLEMS = [
  AdoptionRefusedError,
  StatechartCodeError,
  DefinitionChangedError,
  SnapshotTooLargeError,
  SnapshotMismatchError,
  CorruptEventError,
] as const;
/** What no waiting will mend; everything else (the log, the network) may pass. */
export const isRunProblem = (error: unknown): error is AlmanacError => RUN_PROBLEMS.some((kind) => error instanceof kind);
