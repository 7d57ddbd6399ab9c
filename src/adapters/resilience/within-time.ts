import { instant } from '../../domain/ids.ts';
import type { Clock } from '../../runtime/ports.ts';

export interface TimeLimit {
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly error: () => Error;
}

/** Ends with the work or when its time is up, whichever is first; then its signal is aborted, and it is not waited for. */
export async function withinTime<Result>(
  { timeoutMs, clock, error }: TimeLimit,
  work: (signal: AbortSignal) => Promise<Result>,
  signal: AbortSignal,
): Promise<Result> {
  const late = new AbortController();
  const { promise: timedOut, reject } = Promise.withResolvers<never>();
  const cancel = clock.wakeAt(instant(clock.now() + timeoutMs), () => {
    late.abort(error());
    reject(late.signal.reason);
  });
  try {
    return await Promise.race([work(AbortSignal.any([signal, late.signal])), timedOut]);
  } finally {
    cancel();
  }
}
