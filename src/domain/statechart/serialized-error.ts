/** Errors cross the log as plain data, so `instanceof` never works in a guard: look at `name`, `code` and `retryable`. */
export interface SerializedError {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  /** False: trying again is useless. Absent: unknown, so worth trying. */
  readonly retryable?: boolean;
  /** Whole milliseconds that the other side wants to be left alone. */
  readonly retryAfterMs?: number;
  /** Nothing was tried, because something it needs is out of order: no attempt is counted. */
  readonly unavailable?: true;
  readonly cause?: SerializedError;
}

/** Longest message kept, in UTF-16 code units: snapshots stay small, and a message is read by people, not parsed. */
export const MAX_ERROR_MESSAGE_LENGTH = 4096;
/** Longest `retryAfterMs` kept, a year: whatever somebody else asks for, the timer stays a date. */
export const MAX_RETRY_AFTER_MS = 365 * 24 * 3_600_000;
/** Causes kept below the error itself. */
const MAX_CAUSES = 3;

/** Anything that was thrown, as JSON. The stack stays out: it belongs in the log lines of the process that threw. */
export function serializeError(thrown: unknown): SerializedError {
  return serialize(thrown, MAX_CAUSES);
}

function serialize(thrown: unknown, causesLeft: number): SerializedError {
  if (!looksLikeError(thrown)) return { name: 'NonError', message: shorten(textOf(thrown)) };
  const { name, message, code, retryable, retryAfterMs, unavailable, cause } = thrown;
  return {
    name,
    message: shorten(message),
    ...(typeof code === 'string' ? { code } : {}),
    ...(typeof retryable === 'boolean' ? { retryable } : {}),
    ...(typeof retryAfterMs === 'number' && retryAfterMs >= 0
      ? { retryAfterMs: Math.min(Math.ceil(retryAfterMs), MAX_RETRY_AFTER_MS) }
      : {}),
    ...(unavailable === true ? { unavailable } : {}),
    ...(cause !== undefined && causesLeft > 0 ? { cause: serialize(cause, causesLeft - 1) } : {}),
  };
}

interface ErrorLike {
  name: string;
  message: string;
  code?: unknown;
  retryable?: unknown;
  retryAfterMs?: unknown;
  unavailable?: unknown;
  cause?: unknown;
}

/** Not `instanceof Error`: errors of other realms and errors that were read back from the log count too. */
function looksLikeError(thrown: unknown): thrown is ErrorLike {
  if (typeof thrown !== 'object' || thrown === null) return false;
  const { name, message } = thrown as { name?: unknown; message?: unknown };
  return typeof name === 'string' && typeof message === 'string';
}

function textOf(thrown: unknown): string {
  if (typeof thrown === 'string') return thrown;
  try {
    return JSON.stringify(thrown) ?? String(thrown);
  } catch {
    return String(thrown); // a cycle or a BigInt
  }
}

const shorten = (message: string): string =>
  message.length <= MAX_ERROR_MESSAGE_LENGTH ? message : `${message.slice(0, MAX_ERROR_MESSAGE_LENGTH - 1)}…`;
