/** Circuit breakers of workers: what a run meets, and what the audit keeps. */
import { expect, it, vi } from 'vitest';
import { natsBreakerEvents } from '../../../src/adapters/nats/breaker-events.ts';
import { activitySubject, remoteActivity } from '../../../src/adapters/nats/remote-activity.ts';
import { dependencies } from '../../../src/adapters/resilience/dependency.ts';
import { guarded } from '../../../src/adapters/resilience/guarded.ts';
import { systemClock } from '../../../src/adapters/system/clock.ts';
import { noMetrics } from '../../../src/adapters/telemetry/no-metrics.ts';
import { type Client, clientOn, hostOn } from '../../support/host-on.ts';
import { stepsJob } from '../../support/jobs.ts';
import { startTestServer, useNatsServer } from '../../support/nats-server.ts';
import { Sightings, sightingLog } from '../../support/sightings.ts';

const server = useNatsServer();

const eventsOn = ({ publisher }: Client, log = sightingLog(new Sightings())) =>
  natsBreakerEvents({ publisher, source: '/almanac/test', clock: systemClock, log }, noMetrics.dependencies);

async function audit({ manager }: Client): Promise<{ type: string; subject: string; data: unknown }[]> {
  const found: { type: string; subject: string; data: unknown }[] = [];
  for (let seq = 1; ; ) {
    const next = await manager.direct.getMessage('EVENTS', { seq, next_by_subj: 'evt.system.breaker' });
    if (next === null) return found;
    found.push(next.json());
    seq = next.seq + 1;
  }
}

it('a worker that answers nonsense is left alone after a while: the run hears that it is out of order, and the audit says since when', async () => {
  await using client = await clientOn(server);
  const requests = new Sightings();
  let answer = 'nonsense';
  client.connection.subscribe('activity.nonsense.*', {
    callback: (_, message) => {
      requests.saw('request');
      message.respond(answer);
    },
  });
  const workersOf = dependencies({ breaker: { consecutive: 2, openMs: 200 } }, eventsOn(client), systemClock);
  const remote = guarded(
    (context) => workersOf(activitySubject({ ...context, activityId: 'work' })),
    remoteActivity(client.connection, systemClock),
  );
  const job = stepsJob('nonsense', ['only'], remote);
  await using host = await hostOn(server, [job]);
  for (const run of ['r1', 'r2', 'r3']) {
    await host.start(job, run);
    await host.seen.times('ended', Number(run.slice(1)));
  }
  const codeOf = async (run: string) => {
    const context = (await host.historyOf(job, run)).at(-1)!.event.data.snapshot.context as { error: object };
    return context.error;
  };
  expect(await codeOf('r1')).toMatchObject({ code: 'WORKER_ANSWER_INVALID' });
  expect(await codeOf('r2')).toMatchObject({ code: 'WORKER_ANSWER_INVALID' });
  expect(await codeOf('r3')).toMatchObject({ code: 'UNAVAILABLE', unavailable: true, retryAfterMs: expect.any(Number) });
  expect(requests.of('request')).toHaveLength(2);

  answer = '{"output":1}';
  await vi.waitFor(async () => {
    const run = `again-${requests.of('request').length}-${host.seen.of('ended').length}`;
    await host.start(job, run);
    await host.seen.times('ended', host.seen.of('ended').length + 1);
    expect(host.seen.of('ended').at(-1)).toBe('succeeded');
  });
  await expect
    .poll(async () => (await audit(client)).map(({ type }) => type))
    .toEqual(['almanac.breaker.opened', 'almanac.breaker.closed']);
  expect((await audit(client))[0]).toMatchObject({
    specversion: '1.0',
    source: '/almanac/test',
    subject: 'dependency/activity.nonsense.work',
    data: { dependency: 'activity.nonsense.work', state: 'open' },
  });
});

it('failed probes are no news', async () => {
  await using fresh = await startTestServer();
  await using client = await clientOn(fresh);
  const events = eventsOn(client);
  for (const state of ['open', 'halfOpen', 'open', 'halfOpen', 'open', 'halfOpen', 'closed'] as const) events.breaker('db', state);
  await expect
    .poll(async () => (await audit(client)).map(({ data }) => data))
    .toEqual([
      { dependency: 'db', state: 'open' },
      { dependency: 'db', state: 'closed' },
    ]);
});

it('an event that cannot be stored is logged, and disturbs nobody', async () => {
  await using client = await clientOn(server);
  const seen = new Sightings();
  client.publisher.close();
  eventsOn(client, sightingLog(seen)).breaker('db', 'open');
  expect(await seen.times('warning')).toEqual([expect.objectContaining({ dependency: 'db', state: 'open' })]);
});
