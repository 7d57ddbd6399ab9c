/** What runs in a worker thread: one activity at a time, with a context that speaks to the main thread (thread-activity.ts). */
import { inspect } from 'node:util';
import { type MessagePort, receiveMessageOnPort, threadId } from 'node:worker_threads';
import type { Activity, ActivityContext, Progress } from '../../domain/activity.ts';
import { TerminalError } from '../../domain/errors.ts';
import { type SerializedError, serializeError } from '../../domain/statechart/serialized-error.ts';

export interface ThreadTask {
  /** URL of the module. */
  readonly file: string;
  readonly exportName: string;
  readonly input: unknown;
  readonly facts: Pick<ActivityContext, 'jobType' | 'runId' | 'activityId' | 'visit' | 'idempotencyKey' | 'traceparent'>;
  /** Tells the main thread {@link FromThread}, and hears why it is to stop, as text. */
  readonly port: MessagePort;
}
export type FromThread =
  | { readonly type: 'started'; readonly threadId: number }
  | { readonly type: 'progress'; readonly progress: Progress }
  | { readonly type: 'log'; readonly level: 'info' | 'warn'; readonly facts: object; readonly message: string };
/** The output is JSON text: what cannot be JSON fails here, and long text is parsed once. */
export type ThreadResult = { readonly output: string | undefined } | { readonly error: SerializedError };

/** A message to another thread costs more than the look at a clock. */
const PROGRESS_EVERY_MS = 100;

/** By this name the pool calls it. Never throws: an error that crosses threads as it is would lose its code. */
export async function runInThread({ file, exportName, input, facts, port }: ThreadTask): Promise<ThreadResult> {
  const abort = new AbortController();
  const hear = (reason: string) => abort.abort(new Error(reason));
  const tell = (message: FromThread) => port.postMessage(message);
  port.on('message', hear);
  tell({ type: 'started', threadId });
  const logAs = (level: 'info' | 'warn') => (more: object, message: string) => {
    try {
      tell({ type: 'log', level, facts: more, message });
    } catch {
      tell({ type: 'log', level, facts: { facts: inspect(more) }, message }); // a function cannot cross threads
    }
  };
  let toldAt = Number.NEGATIVE_INFINITY;
  const context: ActivityContext = {
    ...facts,
    signal: abort.signal,
    progress(progress) {
      if (performance.now() - toldAt < PROGRESS_EVERY_MS && progress.done !== progress.total) return;
      toldAt = performance.now();
      tell({ type: 'progress', progress });
      const waiting = receiveMessageOnPort(port); // code that never awaits hears of an abort here, and nowhere else
      if (waiting !== undefined) hear(waiting.message as string);
    },
    log: { info: logAs('info'), warn: logAs('warn') },
    children: { start: noChildrenHere, cancel: noChildrenHere },
  };
  try {
    const activity = await activityIn(file, exportName);
    return { output: JSON.stringify(await activity(input, context)) };
  } catch (error) {
    return { error: serializeError(error) };
  } finally {
    port.close();
  }
}

const noChildrenHere = (): Promise<never> =>
  Promise.reject(
    new TerminalError('a worker thread cannot start or cancel runs: return them, and let the next activity of the statechart do it'),
  );

async function activityIn(file: string, exportName: string): Promise<Activity<unknown, unknown>> {
  const module = (await import(file)) as Record<string, unknown>;
  const activity = module[exportName];
  if (typeof activity !== 'function') throw new TerminalError(`${file} exports no function '${exportName}'`);
  return activity as Activity<unknown, unknown>;
}
