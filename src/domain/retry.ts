/** When a failed attempt is followed by another one, and after which wait. Pure: the random number is an argument (invariant 7). */
import type { SerializedError } from './statechart/serialized-error.ts';

export interface RetryPolicy {
  /** The first one included. @default 3 */
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

export const DEFAULT_RETRY: RetryPolicy = { maxAttempts: 3, initialMs: 1_000, factor: 2, maxMs: 60_000, jitter: 'full' };

/** Whether `attempt`, counted from 1, which ended with `error`, is followed by another one. */
export function canRetry({ maxAttempts }: RetryPolicy, attempt: number, error: Pick<SerializedError, 'retryable'>): boolean {
  return attempt < maxAttempts && error.retryable !== false;
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

/** As {@link backoffMs}, but not before the other side wants to be asked again, however long that is. */
export function retryDelayMs(policy: RetryPolicy, attempt: number, error: Pick<SerializedError, 'retryAfterMs'>, unit: number): number {
  return Math.max(backoffMs(policy, attempt, unit), error.retryAfterMs ?? 0);
}

/** What is wrong with a policy; undefined: nothing. */
export function problemOf({ maxAttempts, initialMs, factor, maxMs }: RetryPolicy): string | undefined {
  if (!Number.isSafeInteger(maxAttempts) || maxAttempts < 1) return `maxAttempts is ${maxAttempts}: use a whole number from 1`;
  if (!Number.isSafeInteger(initialMs) || initialMs < 0) return `initialMs is ${initialMs}: use whole milliseconds from 0`;
  if (!Number.isSafeInteger(maxMs) || maxMs < initialMs) return `maxMs is ${maxMs}: use whole milliseconds from initialMs (${initialMs})`;
  if (!Number.isFinite(factor) || factor < 1) return `factor is ${factor}: use a number from 1`;
  return undefined;
}
