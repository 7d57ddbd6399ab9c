/** What runs in worker threads of tests. */
import type { ActivityContext } from '../../src/domain/activity.ts';
import { RetryAfterError, TerminalError } from '../../src/domain/errors.ts';

/** Keeps a processor busy for so long, and answers how often it went round. */
export async function spin(ms: number): Promise<number> {
  let rounds = 0;
  for (const until = performance.now() + ms; performance.now() < until; ) rounds++;
  return rounds;
}

/** Never ends by itself, and never listens. Counts in shared memory, so that a test sees whether it still goes on. */
export async function spinForEver(counter: unknown, { progress }: ActivityContext): Promise<never> {
  progress({ done: 0 });
  const shared = counter instanceof Int32Array ? counter : new Int32Array(1);
  for (;;) Atomics.add(shared, 0, 1);
}

/** Never awaits, but reports how far it is, and looks. */
export async function spinAndLook(_: unknown, { progress, signal }: ActivityContext): Promise<never> {
  for (let done = 0; !signal.aborted; done++) progress({ done });
  throw new Error(`stopped: ${(signal.reason as Error).message}`);
}

/** Waits until it is told to stop. */
export function waitForAbort(_: unknown, { progress, signal }: ActivityContext): Promise<never> {
  progress({ done: 0 });
  return new Promise((__, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
}

export async function tellEverything(input: unknown, context: ActivityContext): Promise<unknown> {
  const { jobType, runId, activityId, visit, idempotencyKey, traceparent, progress, log } = context;
  log.info({ input }, 'begins');
  progress({ done: 1, total: 3, note: 'parts' });
  progress({ done: 2, total: 3, note: 'parts' }); // too soon for people
  progress({ done: 3, total: 3, note: 'parts' });
  log.warn({ callback: () => undefined }, 'ends');
  return { input, facts: { jobType, runId, activityId, visit, idempotencyKey, traceparent } };
}

export async function fail(how: 'terminal' | 'later' | 'system' | 'exit' | 'behind'): Promise<unknown> {
  switch (how) {
    case 'terminal':
      throw new TerminalError('useless', { cause: new RangeError('too much') });
    case 'later':
      throw new RetryAfterError('not now', 1_500);
    case 'system':
      throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
    case 'exit':
      return process.exit(3);
    case 'behind':
      setTimeout(() => {
        throw new Error('nobody waits for this');
      });
      return 'done';
  }
}
