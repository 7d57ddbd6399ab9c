/**
 * Activities done by a worker: a service in any language that listens on a NATS subject. Core NATS, no stream: the run's lease is what
 * outlives a crash, and whoever takes the run over asks again with the same idempotency key.
 *
 * Request, on `activity.<jobType>.<activityId>`: `{ input, jobType, runId, activityId, visit, idempotencyKey, deadline? }` with the headers
 * `Almanac-Cancel` (a subject: when something is published there, nobody waits for the answer any more) and `traceparent`. Workers of
 * one kind listen in one queue group, so that one of them gets it.
 *
 * Answers, to the request's reply subject: any number of `{ "progress": { done, total?, note? } }` and `{ "alive": true }`, then
 * `{ "output": … }` or `{ "error": { name?, message, code?, retryable?, retryAfterMs? } }`. What comes after that is ignored.
 */
import { headers, InvalidArgumentError, type NatsConnection } from '@nats-io/transport-node';
import type { Activity, ActivityContext, Progress } from '../../domain/activity.ts';
import {
  OutputTooLargeError,
  OutputValidationError,
  TerminalError,
  UnavailableError,
  WorkerError,
  WorkerLostError,
} from '../../domain/errors.ts';
import { type Instant, instant } from '../../domain/ids.ts';
import type { RemoteActivityOptions } from '../../runtime/activity-makers.ts';
import { MAX_OUTPUT_BYTES } from '../../runtime/outside.ts';
import type { Clock } from '../../runtime/ports.ts';
import { isOthersSubject } from './others-subject.ts';
import { Outbox } from './outbox.ts';
import { type OpenRequest, RequestInbox } from './request-inbox.ts';
import { parseWorkerAnswer, type WorkerAnswer } from './worker-answer.ts';

const DEFAULT_SILENCE_MS = 30_000;
/** When nobody listens. A worker that is deployed anew is back within seconds, and asking costs one message. */
const ASK_AGAIN_MS = 2_000;
const CANCEL_HEADER = 'Almanac-Cancel';

export const activitySubject = ({ jobType, activityId }: Pick<ActivityContext, 'jobType' | 'activityId'>) =>
  `activity.${jobType}.${activityId}` as const;

/**
 * The activity throws
 * - `UnavailableError` when nobody listens on the subject, or NATS is away: nothing was tried;
 * - `WorkerError` when the worker answers with an error;
 * - `WorkerLostError` when it falls silent, is too late, cannot be reached any more, or answers what is no answer: a worker that is out
 *   of order, which its operator can replace, so trying again is not useless;
 * - `TerminalError` when trying again gives the same: an input or output that is too large, an output that the schema refuses.
 *
 * @throws {TypeError} The subject is one that nobody but Almanac or the server may be asked on, or has wildcards.
 */
export function remoteActivity<Output = unknown>(
  connection: NatsConnection,
  clock: Clock,
  options: RemoteActivityOptions<Output> = {},
): Activity<unknown, Output> {
  const { subject, output: schema } = options;
  if (subject !== undefined && !isOthersSubject(subject)) throw new TypeError(`a worker cannot listen on ${JSON.stringify(subject)}`);
  RequestInbox.of(connection); // from now on it is known whether the connection is whole
  return async (input, context) => {
    const output = await ask(connection, clock, subject ?? activitySubject(context), input, context, options);
    if (schema === undefined) return output as Output;
    const checked = await schema.safeParseAsync(output);
    if (checked.error) throw new OutputValidationError(context.activityId, checked.error.message, { cause: checked.error });
    return checked.data;
  };
}

async function ask(
  connection: NatsConnection,
  clock: Clock,
  subject: string,
  input: unknown,
  context: ActivityContext,
  { silenceMs = DEFAULT_SILENCE_MS, timeoutMs }: Pick<RemoteActivityOptions<unknown>, 'silenceMs' | 'timeoutMs'>,
): Promise<unknown> {
  if (!isOthersSubject(subject)) throw new TerminalError(`${JSON.stringify(subject)} cannot be a subject: name one for this activity`);
  const { signal } = context;
  signal.throwIfAborted();
  const inbox = RequestInbox.of(connection);
  if (!inbox.connected) throw new UnavailableError('NATS', 'the connection is broken', ASK_AGAIN_MS);

  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const lost = (code: WorkerLostError['code'], reason: string) => reject(new WorkerLostError(code, subject, reason));
  const silence = setTimeout(() => lost('WORKER_SILENT', `the worker said nothing for ${silenceMs} ms`), silenceMs);
  const deadline = timeoutMs === undefined ? undefined : instant(clock.now() + timeoutMs);
  const stopDeadline = deadline && clock.wakeAt(deadline, () => lost('WORKER_LATE', `no output within ${timeoutMs} ms`));
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  let workerMayBeBusy = true;
  const request = inbox.open({
    lost: (reason) => lost('WORKER_UNREACHABLE', reason),
    heard(message) {
      silence.refresh();
      const answer = parseWorkerAnswer(message);
      if (answer.kind === 'alive') return;
      if (answer.kind === 'progress') return context.progress(answer.progress as Progress);
      request.close();
      workerMayBeBusy = answer.kind === 'invalid';
      if (answer.kind === 'output') resolve(answer.output);
      else reject(failureOf(answer, subject, context));
    },
  });
  const outbox = Outbox.of(connection);
  try {
    const body = Buffer.from(JSON.stringify(requestOf(input, context, deadline)));
    outbox.send(subject, body, { reply: request.replyTo, headers: headersOf(request, context) }, (error) => {
      workerMayBeBusy = false;
      reject(refusalOf(subject, error));
    });
    return await promise;
  } finally {
    clearTimeout(silence);
    stopDeadline?.();
    signal.removeEventListener('abort', onAbort);
    request.close();
    if (workerMayBeBusy) outbox.send(request.cancelSubject, Buffer.from('{}'), undefined, () => undefined);
  }
}

type Failure = Exclude<WorkerAnswer, { readonly kind: 'alive' | 'progress' | 'output' }>;

function failureOf(answer: Failure, subject: string, { runId, activityId }: ActivityContext): Error {
  switch (answer.kind) {
    case 'error':
      return new WorkerError(answer.error);
    case 'no worker':
      return new UnavailableError(subject, 'no worker listens on this subject', ASK_AGAIN_MS);
    case 'too large':
      return new OutputTooLargeError(`${runId}/${activityId}`, answer.bytes, MAX_OUTPUT_BYTES);
    case 'invalid':
      return new WorkerLostError('WORKER_ANSWER_INVALID', subject, `the worker ${answer.problem}`);
  }
}

function requestOf(input: unknown, { jobType, runId, activityId, visit, idempotencyKey }: ActivityContext, deadline: Instant | undefined) {
  const request = { input, jobType, runId, activityId, visit, idempotencyKey };
  return deadline === undefined ? request : { ...request, deadline: new Date(deadline).toISOString() };
}

function headersOf({ cancelSubject }: OpenRequest, { traceparent }: ActivityContext) {
  const set = headers();
  set.set(CANCEL_HEADER, cancelSubject);
  if (traceparent !== undefined) set.set('traceparent', traceparent);
  return set;
}

/** The client library itself did not send it. */
function refusalOf(subject: string, error: Error): Error {
  if (error instanceof InvalidArgumentError) return new TerminalError(`${subject}: ${error.message}`, { cause: error }); // too large
  return new WorkerLostError('WORKER_UNREACHABLE', subject, error.message, { cause: error });
}
