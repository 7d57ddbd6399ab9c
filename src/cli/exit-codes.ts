/** What a script can rely on. */
import {
  AlmanacError,
  ConfigError,
  ConflictError,
  InvalidCommandError,
  InvalidIdError,
  InvalidScheduleError,
  NotFoundError,
} from '../domain/errors.ts';

export const EXIT = { ok: 0, failed: 1, usage: 2, notFound: 3, conflict: 4 } as const;

export function exitCodeOf(error: unknown): number {
  if (error instanceof NotFoundError) return EXIT.notFound;
  if (error instanceof ConflictError) return EXIT.conflict;
  if (error instanceof InvalidCommandError && error.code === 'QUEUE_TIMEOUT') return EXIT.failed; // nothing was wrong with the call
  if (
    error instanceof InvalidIdError ||
    error instanceof InvalidCommandError ||
    error instanceof InvalidScheduleError ||
    error instanceof ConfigError
  )
    return EXIT.usage;
  return EXIT.failed;
}

/** Known errors speak for themselves; of a bug, the stack is the message. */
export const textOf = (error: unknown): string =>
  error instanceof AlmanacError ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error);
