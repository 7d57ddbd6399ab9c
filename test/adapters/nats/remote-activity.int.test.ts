/** The contract with workers, at its edges. */
import { headers, type Msg } from '@nats-io/transport-node';
import { expect, it, vi } from 'vitest';
import { z } from 'zod';
import { remoteActivity } from '../../../src/adapters/nats/remote-activity.ts';
import { systemClock } from '../../../src/adapters/system/clock.ts';
import {
  OutputTooLargeError,
  OutputValidationError,
  TerminalError,
  UnavailableError,
  WorkerLostError,
} from '../../../src/domain/errors.ts';
import type { RemoteActivityOptions } from '../../../src/runtime/activity-makers.ts';
import { activityContext } from '../../support/activity-context.ts';
import { type Client, clientOn } from '../../support/host-on.ts';
import { useNatsServer } from '../../support/nats-server.ts';
import { Sightings } from '../../support/sightings.ts';
import { tcpProxy } from '../../support/tcp-proxy.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const server = useNatsServer();
const SUBJECT = 'workers.test';

/** Answers each request with all of these, in this order. Text is sent as it is. */
async function workerOn({ connection }: Client, ...answers: readonly unknown[]): Promise<Sightings> {
  const requests = new Sightings();
  connection.subscribe(SUBJECT, {
    callback: (_, message) => {
      requests.saw('request', message);
      for (const answer of answers) message.respond(typeof answer === 'string' ? answer : JSON.stringify(answer));
    },
  });
  await connection.flush();
  return requests;
}

const remote = <Output>({ connection }: Client, options: RemoteActivityOptions<Output> = {}) =>
  remoteActivity(connection, systemClock, { subject: SUBJECT, ...options });
const failureOf = (call: Promise<unknown>) =>
  call.then(
    () => expect.unreachable(),
    (error: unknown) => error,
  );

it('the worker gets everything it needs, and the deadline as an instant', async () => {
  await using client = await clientOn(server);
  const requests = await workerOn(client, { output: null });
  const clock = new VirtualClock('2026-01-01T00:00:00Z');
  const activity = remoteActivity(client.connection, clock, { subject: SUBJECT, timeoutMs: 60_000 });
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  await activity({ text: 'Ж' }, { ...activityContext({ activityId: 'count', visit: 7 }), traceparent });
  const [message] = (await requests.times('request')) as [Msg];
  expect(message.json()).toEqual({
    input: { text: 'Ж' },
    jobType: 'vault-sync',
    runId: 'run-1',
    activityId: 'count',
    visit: 7,
    idempotencyKey: 'run-1/count/7',
    deadline: '2026-01-01T00:01:00.000Z',
  });
  expect(message.headers?.get('traceparent')).toBe(traceparent);
  expect(message.headers?.get('Almanac-Cancel')).toMatch(/^_INBOX\./);
  expect(clock.nextAlarm).toBeUndefined();
});

it('without a subject of its own it is asked on activity.<jobType>.<activityId>', async () => {
  await using client = await clientOn(server);
  client.connection.subscribe('activity.vault-sync.count', { callback: (_, message) => void message.respond('{"output":1}') });
  await client.connection.flush();
  expect(await remoteActivity(client.connection, systemClock)(null, activityContext({ activityId: 'count' }))).toBe(1);
});

it('only the first end counts, and what comes later disturbs nobody', async () => {
  await using client = await clientOn(server);
  await workerOn(
    client,
    { alive: true },
    { progress: { done: 1 } },
    { output: 'first' },
    { output: 'second' },
    { error: { message: 'x' } },
  );
  const context = activityContext();
  expect(await remote(client)(null, context)).toBe('first');
  await client.connection.flush();
  expect(context.progressed).toEqual([{ done: 1 }]);
});

it('many requests at once get each its own answer', async () => {
  await using client = await clientOn(server);
  client.connection.subscribe(SUBJECT, {
    callback: (_, message) => void message.respond(JSON.stringify({ output: message.json<{ input: number }>().input * 2 })),
  });
  await client.connection.flush();
  const inputs = Array.from({ length: 500 }, (_, n) => n);
  expect(await Promise.all(inputs.map((input) => remote(client)(input, activityContext())))).toEqual(inputs.map((input) => input * 2));
});

it('an error keeps what the worker says about trying again', async () => {
  await using client = await clientOn(server);
  await workerOn(client, { error: { name: 'RateLimit', message: 'slowly', code: 'RATE', retryable: true, retryAfterMs: 1_500 } });
  expect(await failureOf(remote(client)(null, activityContext()))).toMatchObject({
    name: 'RateLimit',
    message: 'slowly',
    code: 'RATE',
    retryable: true,
    retryAfterMs: 1_500,
  });
});

it.each(['', 'hello', '[1]', 'null', '{"outptu":1}', '{"error":"text"}', '{"progress":{"done":-1}}', '{"output":'])(
  'the answer %j is no answer, and the worker is worth another try',
  async (answer) => {
    await using client = await clientOn(server);
    await workerOn(client, answer);
    const failure = await failureOf(remote(client)(null, activityContext()));
    expect(failure).toBeInstanceOf(WorkerLostError);
    expect(failure).toMatchObject({ code: 'WORKER_ANSWER_INVALID', message: expect.stringContaining(SUBJECT) });
    expect(failure).not.toHaveProperty('retryable');
  },
);

it('an answer whose headers break the rules of the protocol is no answer', async () => {
  await using client = await clientOn(server);
  client.connection.subscribe(SUBJECT, {
    callback: (_, message) => {
      const set = headers();
      set.set('x', 'y');
      message.respond('', { headers: set });
    },
  });
  await client.connection.flush();
  expect(await failureOf(remote(client)(null, activityContext()))).toMatchObject({ code: 'WORKER_ANSWER_INVALID' });
});

it('an output that no event can hold fails for good, and so does an input that no message can hold', async () => {
  await using client = await clientOn(server);
  await workerOn(client, { output: 'x'.repeat(60_000) });
  expect(await failureOf(remote(client)(null, activityContext()))).toBeInstanceOf(OutputTooLargeError);
  expect(await failureOf(remote(client)('x'.repeat(2_000_000), activityContext()))).toBeInstanceOf(TerminalError);
});

it('an output that the schema refuses fails for good', async () => {
  await using client = await clientOn(server);
  await workerOn(client, { output: { words: 'six' } });
  const activity = remote(client, { output: z.object({ words: z.int() }) });
  expect(await failureOf(activity(null, activityContext()))).toBeInstanceOf(OutputValidationError);
});

it('nobody listening is said at once, as nothing that was tried', async () => {
  await using client = await clientOn(server);
  const failure = await failureOf(remote(client, { subject: 'workers.nobody' })(null, activityContext()));
  expect(failure).toBeInstanceOf(UnavailableError);
  expect(failure).toMatchObject({ unavailable: true, dependency: 'workers.nobody', retryAfterMs: 2_000 });
});

it('a worker that says it is alive may take longer than the silence allowed, and no longer than its deadline', async () => {
  await using client = await clientOn(server);
  const clock = new VirtualClock('2026-01-01T00:00:00Z');
  const seen = new Sightings();
  let talking: NodeJS.Timeout | undefined;
  client.connection.subscribe(SUBJECT, {
    callback: (_, message) => {
      talking = setInterval(() => message.respond('{"alive":true}') && seen.saw('alive'), 50);
      client.connection.subscribe(message.headers!.get('Almanac-Cancel'), { callback: () => seen.saw('cancelled') });
    },
  });
  await client.connection.flush();
  const activity = remoteActivity(client.connection, clock, { subject: SUBJECT, silenceMs: 500, timeoutMs: 1_000 });
  const failure = failureOf(activity(null, activityContext()));
  await seen.times('alive', 20);
  clock.advanceTo('2026-01-01T00:00:01Z');
  expect(await failure).toMatchObject({ code: 'WORKER_LATE' });
  await seen.times('cancelled');
  clearInterval(talking);
});

it('a worker that says nothing is given up, and told so', async () => {
  await using client = await clientOn(server);
  const seen = new Sightings();
  client.connection.subscribe(SUBJECT, {
    callback: (_, message) => {
      client.connection.subscribe(message.headers!.get('Almanac-Cancel'), {
        callback: (__, { data }) => seen.saw('cancelled', data.length),
      });
    },
  });
  await client.connection.flush();
  expect(await failureOf(remote(client, { silenceMs: 100 })(null, activityContext()))).toMatchObject({ code: 'WORKER_SILENT' });
  expect(await seen.times('cancelled')).toEqual(['{}'.length]);
});

it('an abort ends the wait with its reason, and the worker is told', async () => {
  await using client = await clientOn(server);
  const abort = new AbortController();
  const seen = new Sightings();
  client.connection.subscribe(SUBJECT, {
    callback: (_, message) => {
      client.connection.subscribe(message.headers!.get('Almanac-Cancel'), { callback: () => seen.saw('cancelled') });
      abort.abort(new Error('left the state'));
    },
  });
  await client.connection.flush();
  const context = activityContext({ signal: abort.signal });
  expect(await failureOf(remote(client)(null, context))).toBe(abort.signal.reason);
  await seen.times('cancelled');
  expect(await failureOf(remote(client)(null, context))).toBe(abort.signal.reason); // and nothing is sent
});

it('a connection that breaks ends the wait, and the next request finds the worker again', async () => {
  await using worker = await clientOn(server);
  await using proxy = await tcpProxy(server);
  await using client = await clientOn(proxy);
  const requests = new Sightings();
  worker.connection.subscribe(SUBJECT, {
    callback: (_, message) => {
      requests.saw('request');
      if (requests.of('request').length > 1) message.respond('{"output":"back"}');
    },
  });
  await worker.connection.flush();
  const failure = failureOf(remote(client)(null, activityContext()));
  await requests.times('request');
  proxy.cut();
  expect(await failure).toMatchObject({ code: 'WORKER_UNREACHABLE' });
  expect(await failureOf(remote(client)(null, activityContext()))).toMatchObject({ unavailable: true, dependency: 'NATS' });
  await vi.waitFor(async () => expect(await remote(client)(null, activityContext())).toBe('back'));
});

it('a connection that is closed ends the wait, and takes no further request', async () => {
  await using worker = await clientOn(server);
  const requests = await workerOn(worker);
  const client = await clientOn(server);
  const failure = failureOf(remote(client)(null, activityContext()));
  await requests.times('request');
  await client[Symbol.asyncDispose]();
  expect(await failure).toMatchObject({ code: 'WORKER_UNREACHABLE' });
  expect(await failureOf(remote(client)(null, activityContext()))).toMatchObject({ unavailable: true, dependency: 'NATS' });
});

it.each(['cmd.x', 'evt.run.a.b', 'dlq.x', '$JS.API.INFO', 'a.*', 'a.>', 'a b', ''])('nobody can be asked on %j', async (subject) => {
  await using client = await clientOn(server);
  expect(() => remote(client, { subject })).toThrow(TypeError);
  const context = activityContext({ activityId: 'not a token' });
  expect(await failureOf(remoteActivity(client.connection, systemClock)(null, context))).toBeInstanceOf(TerminalError);
});
