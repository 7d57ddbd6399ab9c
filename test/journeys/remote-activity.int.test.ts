/** Activities done by a worker in another language: examples/worker.py, a real process, for runs of a real host. */
import type { NatsConnection } from '@nats-io/transport-node';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { remoteActivity } from '../../src/adapters/nats/remote-activity.ts';
import { systemClock } from '../../src/adapters/system/clock.ts';
import { defineJob } from '../../src/domain/define-job.ts';
import type { RemoteActivityOptions } from '../../src/runtime/activity-makers.ts';
import type { StoredRunEvent } from '../../src/runtime/ports.ts';
import { clientOn, hostOn } from '../support/host-on.ts';
import { useNatsServer } from '../support/nats-server.ts';
import { pythonWorker } from '../support/python-worker.ts';
import { Sightings } from '../support/sightings.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const server = useNatsServer();
const SLOW = { text: 'to be or not to be', secondsPerWord: 0.05 };
/** Longer than every test. */
const FOREVER = { text: 'to be or not to be', secondsPerWord: 3_600 };

function countingJob(id: string, connection: NatsConnection, options: RemoteActivityOptions<number> = {}) {
  const remote = remoteActivity(connection, systemClock, { output: z.int(), ...options });
  const input = z.object({ text: z.string(), secondsPerWord: z.number().default(0) });
  return defineJob({ id, summary: 'Counts words elsewhere', input, retry: { initialMs: 1, maxAttempts: 20 } })
    .step('count', { output: z.int(), run: ({ input }, context) => remote(input, context) })
    .build();
}

const last = (history: readonly StoredRunEvent[]) => history.at(-1)!.event.data.snapshot;
const errorsOf = (history: readonly StoredRunEvent[]) =>
  history.map(({ event }) => (event.data.snapshot.context as { error: { code: string } | null }).error?.code).filter(Boolean);

/** Resolves at the first progress of a run. */
function firstProgress(connection: NatsConnection, jobType: string): Promise<unknown> {
  return new Promise((resolve) => {
    connection.subscribe(`progress.${jobType}.*`, { max: 1, callback: (_, message) => resolve(message.json()) });
  });
}

it('a worker does the work, says how far it is, and its output is the result of the step', async () => {
  await using client = await clientOn(server);
  const job = countingJob('count', client.connection);
  await using _worker = await pythonWorker(server, 'activity.count.count');
  await using host = await hostOn(server, [job]);
  const progress = firstProgress(client.connection, 'count');
  await client.connection.flush();
  await host.start(job, 'r1', SLOW);
  expect(await progress).toEqual({ activity: 'count', done: 0, total: 6, note: 'words' });
  expect(await host.seen.times('ended')).toEqual(['succeeded']);
  expect(last(await host.historyOf(job, 'r1')).output).toMatchObject({ results: { count: 6 }, attempts: { count: 1 } });
});

it('an error of the worker ends the run in the words of the worker, without another attempt when it says that this is useless', async () => {
  await using client = await clientOn(server);
  const job = countingJob('count-nothing', client.connection);
  await using _worker = await pythonWorker(server, 'activity.count-nothing.count');
  await using host = await hostOn(server, [job]);
  await host.start(job, 'r1', { text: ' ' });
  expect(await host.seen.times('ended')).toEqual(['failed']);
  expect(last(await host.historyOf(job, 'r1')).output).toMatchObject({
    attempts: { count: 1 },
    error: { name: 'ValueError', code: 'WORKER_FAILED', message: 'there is no word in it', retryable: false },
  });
});

it('a worker that is killed in the middle falls silent, and another one does the work', async () => {
  await using client = await clientOn(server);
  const job = countingJob('count-again', client.connection, { silenceMs: 1_500 });
  await using first = await pythonWorker(server, 'activity.count-again.count');
  await using host = await hostOn(server, [job]);
  const progress = firstProgress(client.connection, 'count-again');
  await client.connection.flush();
  await host.start(job, 'r1', SLOW);
  await progress;
  await first.kill('SIGKILL');
  await using _second = await pythonWorker(server, 'activity.count-again.count');
  expect(await host.seen.times('ended')).toEqual(['succeeded']);
  const history = await host.historyOf(job, 'r1');
  expect(errorsOf(history)).toContain('WORKER_SILENT');
  expect(last(history).output).toMatchObject({ results: { count: 6 }, attempts: { count: 2 } });
});

it('without a worker the run waits, and goes on once there is one', async () => {
  await using client = await clientOn(server);
  const job = countingJob('count-later', client.connection);
  const clock = new VirtualClock('2026-01-01T00:00:00Z');
  await using host = await hostOn(server, [job], { clock });
  await host.start(job, 'r1', SLOW);
  await expect.poll(async () => errorsOf(await host.historyOf(job, 'r1'))).toEqual(['UNAVAILABLE']);
  await expect.poll(() => clock.nextAlarm).toBe('2026-01-01T00:00:02.000Z'); // not at once, however short the job's own waits are
  await using _worker = await pythonWorker(server, 'activity.count-later.count');
  clock.advanceTo('2026-01-01T00:00:02Z');
  expect(await host.seen.times('ended')).toEqual(['succeeded']);
});

it('of two workers one gets the request', async () => {
  await using client = await clientOn(server);
  const job = countingJob('count-once', client.connection);
  await using one = await pythonWorker(server, 'activity.count-once.count');
  await using other = await pythonWorker(server, 'activity.count-once.count');
  await using host = await hostOn(server, [job]);
  const requests = new Sightings();
  client.connection.subscribe('_INBOX.>', {
    callback: (_, message) => void (message.string().includes('"output"') && requests.saw('output')),
  });
  await client.connection.flush();
  await host.start(job, 'r1', SLOW);
  await host.seen.times('ended');
  await client.connection.flush();
  expect(requests.of('output')).toHaveLength(1);
  expect([one.stderr, other.stderr]).toEqual(['', '']);
});

it('a worker is told when nobody waits for its answer any more', async () => {
  await using client = await clientOn(server);
  const job = countingJob('count-in-vain', client.connection);
  await using worker = await pythonWorker(server, 'activity.count-in-vain.count');
  const host = await hostOn(server, [job]);
  const progress = firstProgress(client.connection, 'count-in-vain');
  await client.connection.flush();
  await host.start(job, 'r1', FOREVER);
  await progress;
  await host.stop();
  await worker.says('cancelled');
});

it('the request carries the trace of the run', async () => {
  await using client = await clientOn(server);
  const job = countingJob('count-traced', client.connection);
  await using host = await hostOn(server, [job]);
  const seen = new Sightings();
  client.connection.subscribe('activity.count-traced.count', {
    callback: (_, message) => {
      seen.saw('trace', message.headers?.get('traceparent'));
      message.respond('{"output":6}');
    },
  });
  await client.connection.flush();
  await host.start(job, 'r1', SLOW);
  await host.seen.times('ended');
  const [started] = await host.historyOf(job, 'r1');
  expect(seen.of('trace')).toEqual([started!.event.traceparent]);
  expect(started!.event.traceparent).toMatch(/^00-/);
});
