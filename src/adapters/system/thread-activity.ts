/** Activities that compute for long: in worker threads, so that heartbeats, timers and every other run go on meanwhile. */
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { MessageChannel, type Worker } from 'node:worker_threads';
import { Piscina } from 'piscina';
import type { Activity, ActivityContext } from '../../domain/activity.ts';
import type { Log } from '../../runtime/ports.ts';
import type * as threadMain from './thread-main.ts';
import type { FromThread, ThreadResult, ThreadTask } from './thread-main.ts';

const THREAD_MAIN = fileURLToPath(new URL('./thread-main.ts', import.meta.url));
const ENTRY = 'runInThread' satisfies keyof typeof threadMain;
const IDLE_MS = 60_000;
const DEFAULT_GRACE_MS = 5_000;

export interface ThreadPoolOptions {
  /** Told of what goes wrong in a thread when no activity of it is to blame any more. */
  readonly log: Log;
  /** @default a processor fewer than there are, so that one is left for everything else; at least 1 */
  readonly threads?: number;
}

/** One for all thread activities of a process; what finds no free thread waits. Threads are made when they are needed. */
export class ThreadPool {
  readonly #log: Log;
  readonly #maxThreads: number;
  #piscina: Piscina | undefined;

  constructor({ log, threads = Math.max(1, availableParallelism() - 1) }: ThreadPoolOptions) {
    this.#log = log;
    this.#maxThreads = threads;
  }

  /** @param kill Ends the thread that does the task, or takes the task out of the queue. */
  run(task: ThreadTask, kill: AbortSignal): Promise<ThreadResult> {
    return this.#open().run(task, { transferList: [task.port], signal: kill }) as Promise<ThreadResult>;
  }

  thread(id: number): Worker | undefined {
    return this.#open().threads.find(({ threadId }) => threadId === id);
  }

  /** Ends every thread, whatever it does. */
  async close(): Promise<void> {
    await this.#piscina?.destroy();
  }

  #open(): Piscina {
    this.#piscina ??= new Piscina({
      filename: THREAD_MAIN,
      name: ENTRY,
      minThreads: 1, // with none, tasks that wait would be forgotten when the last thread is ended
      maxThreads: this.#maxThreads,
      idleTimeout: IDLE_MS,
      atomics: 'disabled', // what an activity leaves behind goes on as anywhere else, instead of when the next one begins
    }).on('error', (error: unknown) => this.#log.warn({ err: error }, 'a thread ended by what an activity left behind in it'));
    return this.#piscina;
  }
}

export interface ThreadActivityOptions {
  readonly pool: ThreadPool;
  /** How long it may go on after its signal was aborted, in milliseconds; then its thread is ended. @default 5000 */
  readonly graceMs?: number;
}

/**
 * The activity that module `file` exports under `exportName`, in a thread of the pool. It gets a context like every activity's; input and
 * output are copied. Code that never awaits hears of an abort when it calls `context.progress`.
 *
 * What it throws keeps `name`, `message`, `code`, `retryable`, `retryAfterMs`, `unavailable` and `cause`.
 */
export function threadActivity<Input, Output>(
  file: URL,
  exportName: string,
  { pool, graceMs = DEFAULT_GRACE_MS }: ThreadActivityOptions,
): Activity<Input, Output> {
  return async (input, context) => {
    const { signal } = context;
    signal.throwIfAborted();
    const { port1: port, port2 } = new MessageChannel();
    const closed = once(port, 'close');
    const kill = new AbortController();
    let thread: Worker | undefined;
    let grace: NodeJS.Timeout | undefined;
    port.on('message', (message: FromThread) => {
      if (message.type === 'started') thread = pool.thread(message.threadId);
      else if (message.type === 'progress') context.progress(message.progress);
      else context.log[message.level](message.facts, message.message);
    });
    const onAbort = () => {
      port.postMessage(String((signal.reason as Error | undefined)?.message));
      grace = setTimeout(() => kill.abort(), thread === undefined ? 0 : graceMs);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      const task = { file: file.href, exportName, input, facts: factsOf(context), port: port2 };
      const result = await pool.run(task, kill.signal).catch(async (error: unknown) => {
        if (!kill.signal.aborted) throw error; // the thread ended by itself, e.g. out of memory
        await thread?.terminate(); // the pool has told it to; from here on it does nothing any more
        throw signal.reason;
      });
      await closed; // by the thread, behind its last message
      if ('error' in result) throw Object.assign(new Error(result.error.message), result.error);
      return (result.output === undefined ? undefined : JSON.parse(result.output)) as Output;
    } finally {
      clearTimeout(grace);
      signal.removeEventListener('abort', onAbort);
      port.close();
    }
  };
}

const factsOf = ({ jobType, runId, activityId, visit, idempotencyKey, traceparent }: ActivityContext): ThreadTask['facts'] => ({
  ...{ jobType, runId, activityId, visit, idempotencyKey, traceparent },
});
