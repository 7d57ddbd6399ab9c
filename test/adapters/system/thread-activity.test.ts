import { afterAll, beforeEach, expect, it } from 'vitest';
import { ThreadPool, threadActivity } from '../../../src/adapters/system/thread-activity.ts';
import type { Activity } from '../../../src/domain/activity.ts';
import { serializeError } from '../../../src/domain/statechart/serialized-error.ts';
import { activityContext } from '../../support/activity-context.ts';
import type * as heavy from '../../support/heavy-activities.ts';
import { Sightings, sightingLog } from '../../support/sightings.ts';

let seen = new Sightings();
const pool = new ThreadPool({
  threads: 1,
  log: { ...sightingLog(seen), warn: (facts, message) => seen.saw('warning', { ...facts, message }) },
});
beforeEach(() => {
  seen = new Sightings();
});
afterAll(() => pool.close());

const inThread = (name: keyof typeof heavy, graceMs?: number): Activity<unknown, unknown> =>
  threadActivity(new URL('../../support/heavy-activities.ts', import.meta.url), name, {
    pool,
    ...(graceMs !== undefined && { graceMs }),
  });
const failureOf = (call: Promise<unknown>) =>
  call.then(
    () => expect.unreachable(),
    (error: unknown) => error,
  );

/** A call, its abort, and its first progress. */
function begun(name: keyof typeof heavy, input: unknown = null, graceMs?: number) {
  const abort = new AbortController();
  const { promise: working, resolve } = Promise.withResolvers<void>();
  const failure = failureOf(inThread(name, graceMs)(input, activityContext({ signal: abort.signal, onProgress: () => resolve() })));
  return { failure, working, abort: () => abort.abort(new Error('left the state')), reason: () => abort.signal.reason as unknown };
}

it('the function gets the input and what every activity gets, and progress and log lines come back, the last ones too', async () => {
  const context = { ...activityContext({ activityId: 'hash', visit: 3 }), traceparent: '00-1-2-01' };
  const { jobType, runId, activityId, visit, idempotencyKey, traceparent } = context;
  const facts = { jobType, runId, activityId, visit, idempotencyKey, traceparent };
  expect(await inThread('tellEverything')({ a: [1] }, context)).toEqual({ input: { a: [1] }, facts });
  expect(context.progressed).toEqual([
    { done: 1, total: 3, note: 'parts' },
    { done: 3, total: 3, note: 'parts' },
  ]);
  expect(context.logged).toEqual([
    { level: 'info', facts: { input: { a: [1] } }, message: 'begins' },
    { level: 'warn', facts: { facts: '{ callback: [Function: callback] }' }, message: 'ends' },
  ]);
});

it('no output stays none', async () => {
  const nothing = threadActivity(new URL('data:text/javascript,export const nothing = async () => {}'), 'nothing', { pool });
  expect(await nothing(null, activityContext())).toBeUndefined();
});

it.each([
  ['terminal', { name: 'TerminalError', message: 'useless', code: 'TERMINAL', retryable: false, cause: { name: 'RangeError' } }],
  ['later', { name: 'RetryAfterError', message: 'not now', code: 'RETRY_AFTER', retryAfterMs: 1_500 }],
  ['system', { name: 'Error', message: 'no such file', code: 'ENOENT' }],
  ['exit', { message: 'worker exited with code: 3' }],
])('of what it throws (%s) everything a retry is decided by is kept', async (how, error) => {
  const failure = await failureOf(inThread('fail')(how, activityContext()));
  expect(failure).toBeInstanceOf(Error);
  expect(serializeError(failure)).toMatchObject(error);
});

it('a function that does not exist fails for good, and says where it was looked for', async () => {
  const failure = await failureOf(inThread('spinn' as 'spin')(1, activityContext()));
  expect(failure).toMatchObject({ retryable: false, message: expect.stringMatching(/heavy-activities\.ts exports no function 'spinn'/) });
});

it('an abort reaches a function that waits, with its reason', async () => {
  const { failure, working, abort } = begun('waitForAbort');
  await working;
  abort();
  expect(await failure).toMatchObject({ message: 'left the state' });
});

it('an abort reaches a function that never awaits when it reports progress', async () => {
  const { failure, working, abort } = begun('spinAndLook');
  await working;
  abort();
  expect(await failure).toMatchObject({ message: 'stopped: left the state' });
});

it('a function that ignores its abort is ended with its thread, after the grace, and those that waited for the thread go on', async () => {
  const counter = new Int32Array(new SharedArrayBuffer(4));
  const { failure, working, abort, reason } = begun('spinForEver', counter, 50);
  const waiting = inThread('spin')(1, activityContext());
  await working;
  abort();
  expect(await failure).toBe(reason());
  const ended = Atomics.load(counter, 0);
  expect(await waiting).toBeGreaterThan(0); // by another thread, which takes a while to start
  expect(Atomics.load(counter, 0)).toBe(ended);
});

it('an abort takes a call that still waits for a thread out of the queue at once', async () => {
  const first = begun('spinForEver', null, 0);
  await first.working;
  const second = begun('spinForEver', null, 60_000);
  second.abort();
  expect(await second.failure).toBe(second.reason());
  first.abort();
  await first.failure;
  const third = begun('spinForEver', null, 0);
  third.abort();
  expect(await third.failure).toBe(third.reason());
});

it('what an activity left behind in its thread is logged, and the pool goes on', async () => {
  const { promise: warned, resolve } = Promise.withResolvers<object>();
  await using other = Object.assign(new ThreadPool({ threads: 1, log: { ...sightingLog(seen), warn: resolve } }), {
    [Symbol.asyncDispose]: () => other.close(),
  });
  const activity = threadActivity(new URL('../../support/heavy-activities.ts', import.meta.url), 'fail', { pool: other });
  expect(await activity('behind', activityContext())).toBe('done');
  expect(await warned).toMatchObject({ err: { message: 'nobody waits for this' } });
  expect(await activity('behind', activityContext())).toBe('done');
});

it('closing ends every thread, whatever it does', async () => {
  const other = new ThreadPool({ threads: 1, log: sightingLog(seen) });
  const activity = threadActivity(new URL('../../support/heavy-activities.ts', import.meta.url), 'spinForEver', { pool: other });
  const { promise: working, resolve } = Promise.withResolvers<void>();
  const failure = failureOf(activity(null, activityContext({ onProgress: () => resolve() })));
  await working;
  await other.close();
  expect(await failure).toBeInstanceOf(Error);
});
