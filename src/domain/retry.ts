/**
 * When a failed attempt is followed by another one, and after which wait. Pure: the random number is an argument (invariant 7). The pieces
 * are for guards, assigns and delays of any statechart.
 */
import { type SerializedError, serializeError } from './statechart/serialized-error.ts';

export interface RetryPolicy {
  /** The first one included. @default 4 */
  readonly maxAttempts: number;
  /** Longest wait after the first attempt, in whole milliseconds. @default 1000 */
  readonly initialMs: number;
  /** By which the wait grows from attempt to attempt. @default 2 */
  readonly factor: number;
  /** Beyond which it does not grow, in whole milliseconds. @default 60000 */
  readonly maxMs: number;
  /** How much of the wait is left to chance: all of it, its second half, or nothing. @default 'full' */
  readonly jitter: 'full' | 'equal' | 'none';
}

export const DEFAULT_RETRY: RetryPolicy = { maxAttempts: 4, initialMs: 1_000, factor: 2, maxMs: 60_000, jitter: 'full' };

/**
 * Whether `attempt`, counted from 1, which ended with `error`, is followed by another one. Unavailability uses nothing up: only the
 * deadline of the run limits how often it is met.
 */
export function canRetry(
  { maxAttempts }: RetryPolicy,
  attempt: number,
  { retryable, unavailable }: Pick<SerializedError, 'retryable' | 'unavailable'>,
): boolean {
  return retryable !== false && (unavailable === true || attempt < maxAttempts);
}

/**
 * The number of the attempt that follows `attempt`, which ended with `error`: the same one when nothing was tried.
 * @param attempt 0 before the first.
 */
export function nextAttempt(attempt: number, error: Pick<SerializedError, 'unavailable'> | null): number {
  return error?.unavailable === true ? attempt : attempt + 1;
}

/**
 * How often in a row nothing was tried, after `error`; 0 when something was.
 * @param before The same before it.
 */
export function unavailableInARow(before: number, error: Pick<SerializedError, 'unavailable'>): number {
  return error.unavailable === true ? before + 1 : 0;
}

/** The wait after `attempt`, counted from 1, in whole milliseconds. `unit` is a random number in [0, 1). */
export function backoffMs({ initialMs, factor, maxMs, jitter }: RetryPolicy, attempt: number, unit: number): number {
  const growth = Math.min(factor ** (attempt - 1), Number.MAX_VALUE); // 0 ms times infinity would be no number
  const longestMs = Math.min(maxMs, initialMs * growth);
  switch (jitter) {
    case 'full':
      return Math.floor(longestMs * unit);
    case 'equal':
      return Math.floor(longestMs / 2 + (longestMs / 2) * unit);
    case 'none':
      return Math.floor(longestMs);
  }
}

/**
 * As {@link backoffMs}, but not before the other side wants to be asked again, however long that is. The waits of an outage grow, too,
 * though its attempts are not counted: every wait is two events in the log.
 *
 * @param unavailable As of {@link unavailableInARow}, this time included.
 */
export function retryDelayMs(
  policy: RetryPolicy,
  attempt: number,
  unavailable: number,
  error: Pick<SerializedError, 'retryAfterMs'> | null,
  unit: number,
): number {
  return Math.max(backoffMs(policy, Math.max(attempt, unavailable), unit), error?.retryAfterMs ?? 0);
}

/** Why an attempt failed: its activity says so in `event`, or else its time is up. */
export function attemptError(event: object, activity: string, timeoutMs: number): SerializedError {
  if ('error' in event) return serializeError(event.error);
  return { name: 'AttemptTimeoutError', message: `an attempt of ${activity} took longer than ${timeoutMs} ms` };
}

/** The time of the whole run is up. @param last Of the last attempt, when it failed. */
export function runTimeoutError(timeoutMs: number, last: SerializedError | null): SerializedError {
  const message = `the run took longer than ${timeoutMs} ms`;
  return { name: 'RunTimeoutError', message, ...(last === null ? {} : { cause: last }) };
}

/** What is wrong with a policy; undefined: nothing. */
export function problemOf({ maxAttempts, initialMs, factor, maxMs }: RetryPolicy): string | undefined {
  if (!Number.isSafeInteger(maxAttempts) || maxAttempts < 1) return `maxAttempts is ${maxAttempts}: use a whole number from 1`;
  if (!Number.isSafeInteger(initialMs) || initialMs < 0) return `initialMs is ${initialMs}: use whole milliseconds from 0`;
  if (!Number.isSafeInteger(maxMs) || maxMs < initialMs) return `maxMs is ${maxMs}: use whole milliseconds from initialMs (${initialMs})`;
  if (!Number.isFinite(factor) || factor < 1) return `factor is ${factor}: use a number from 1`;
  return undefined;
}
