/** Leases that end before their run does: crashes, partitions, stalls, orderly stops (invariants 2 and 4). */
import { expect, it } from 'vitest';
import type { Activity } from '../../src/domain/activity.ts';
import { jobTypeId, runId } from '../../src/domain/ids.ts';
import type { StoredRunEvent } from '../../src/runtime/ports.ts';
import { commandsLeft } from '../support/commands-left.ts';
import { type Client, clientOn, hostOn } from '../support/host-on.ts';
import { stepsJob } from '../support/jobs.ts';
import { useNatsServer } from '../support/nats-server.ts';
import { Sightings } from '../support/sightings.ts';
import { tcpProxy } from '../support/tcp-proxy.ts';

const server = useNatsServer();
const LEASE_MS = 500;
const types = (history: readonly StoredRunEvent[]) => history.map(({ event }) => event.type.replace('almanac.run.', ''));
const sources = (history: readonly StoredRunEvent[]) => history.map(({ event }) => event.source);
const nothingLeft = (client: Client) => expect.poll(() => commandsLeft(client.connection)).toEqual({ stored: 0, unacknowledged: 0 });

/** The first call waits for `release`, then returns; all others return at once. */
function firstCallWaits() {
  const calls = new Sightings();
  const { promise, resolve: release } = Promise.withResolvers<void>();
  const work: Activity<string, unknown> = async (step, { signal }) => {
    calls.saw('call', { step, signal });
    const number = calls.of('call').length;
    if (number === 1) await promise;
    return number;
  };
  return { work, calls, release };
}

it('another process goes on with the run of one that is cut off, and the first one, back again, stops at its next append', async () => {
  const { work, calls, release } = firstCallWaits();
  const job = stepsJob('cut-off', ['first', 'second'], work);
  await using proxy = await tcpProxy(server);
  await using cutOff = await hostOn(proxy, [job], { leaseMs: LEASE_MS });
  await cutOff.start(job, 'r1');
  await calls.times('call');
  proxy.refuse();
  await using other = await hostOn(server, [job], { leaseMs: LEASE_MS });
  await other.seen.times('ended');

  proxy.heal();
  release(); // its result is for the same visit, and late
  await nothingLeft(other);
  await cutOff.stop();
  const history = await other.historyOf(job, 'r1');
  expect(types(history)).toEqual(['started', 'resumed', 'transitioned', 'finished']);
  expect(new Set(sources(history).slice(1)).size).toBe(1);
  expect(sources(history)[0]).not.toBe(sources(history)[1]);
  expect(history[3]?.event.data.snapshot.context).toMatchObject({ last: 3 });
  expect(cutOff.seen.of('ended')).toEqual([]);
});

it('of two processes that hold the same run, the older one loses when it appends, and its activities are told', async () => {
  const started: { signal: AbortSignal; finish: () => void }[] = [];
  const seen = new Sightings();
  const job = stepsJob('two-holders', ['first', 'second'], (step, { signal }) => {
    const { promise, resolve } = Promise.withResolvers<string>();
    started.push({ signal, finish: () => resolve(step) });
    seen.saw('call');
    return promise;
  });
  await using proxy = await tcpProxy(server);
  await using older = await hostOn(proxy, [job], { leaseMs: LEASE_MS });
  await older.start(job, 'r1');
  await seen.times('call');
  proxy.refuse();
  await using newer = await hostOn(server, [job], { leaseMs: LEASE_MS });
  await seen.times('call', 2);
  proxy.heal();
  await expect.poll(() => older.connection.info).toBeDefined(); // connected again
  started[0]!.finish(); // the older one's append is refused: a later delivery has written
  await older.connection.flush();
  started[1]!.finish();
  await seen.times('call', 3);
  started[2]!.finish();
  await newer.seen.times('ended');
  const history = await newer.historyOf(job, 'r1');
  expect(types(history)).toEqual(['started', 'resumed', 'transitioned', 'finished']);
  expect(new Set(sources(history).slice(1)).size).toBe(1);
});

it('the older of two holders loses even if the server counts deliveries from one again', async () => {
  const started: { signal: AbortSignal; finish: () => void }[] = [];
  const seen = new Sightings();
  const job = stepsJob('counted-anew', ['first', 'second'], (step, { signal }) => {
    const { promise, resolve } = Promise.withResolvers<string>();
    started.push({ signal, finish: () => resolve(step) });
    seen.saw('call');
    return promise;
  });
  await using proxy = await tcpProxy(server);
  await using older = await hostOn(proxy, [job], { leaseMs: 60_000 });
  await older.start(job, 'r1');
  await seen.times('call');
  proxy.refuse();
  await using client = await clientOn(server);
  await client.manager.consumers.delete('COMMANDS', 'start-counted-anew-normal'); // as a crash of the server may do
  await using newer = await hostOn(server, [job], { leaseMs: 60_000 });
  await seen.times('call', 2);
  proxy.heal();
  await expect.poll(() => older.connection.rtt().catch(() => undefined), { timeout: 10_000 }).toBeDefined(); // connected again
  started[0]!.finish();
  for (let trips = 0; trips < 5; trips++) await older.manager.streams.info('EVENTS'); // time enough for its append and for looking why not
  started[1]!.finish();
  await seen.times('call', 3);
  started[2]!.finish();
  await newer.seen.times('ended');
  const history = await newer.historyOf(job, 'r1');
  expect(types(history)).toEqual(['started', 'resumed', 'transitioned', 'finished']);
  expect(new Set(sources(history).slice(1)).size).toBe(1);
  expect(history.map(({ event }) => event.data.lease)).toMatchObject([
    { delivery: 1, term: 1 },
    { delivery: 1, term: 2 },
    { delivery: 1, term: 2 },
    { delivery: 1, term: 2 },
  ]);
});

it('a process that stalls longer than its lease gets the command again and goes on once, not again and again', async () => {
  const calls = new Sightings();
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const job = stepsJob('stalled', ['only'], async (_, { signal }) => {
    calls.saw('call');
    if (calls.of('call').length > 1) return gate;
    for (const until = performance.now() + 1.5 * LEASE_MS; performance.now() < until; ); // no heartbeat gets out
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    return 'too late';
  });
  await using host = await hostOn(server, [job], { leaseMs: LEASE_MS });
  await host.start(job, 'r1');
  await calls.times('call', 2);
  for (let trips = 0; trips < 50; trips++) await host.manager.streams.info('COMMANDS'); // time enough for it to be delivered again
  open();
  await host.seen.times('ended');
  const resumed = types(await host.historyOf(job, 'r1')).slice(1, -1);
  expect(new Set(resumed)).toEqual(new Set(['resumed']));
  expect(resumed.length).toBeLessThanOrEqual(2); // one for each time the lease really ran out; the machine may be slow
  await nothingLeft(host);
});

it('a process that stops hands its runs back, and another one goes on at once', async () => {
  const { work, calls, release } = firstCallWaits();
  const job = stepsJob('handed-back', ['first', 'second'], work);
  const stopping = await hostOn(server, [job], { leaseMs: 60_000 });
  await stopping.start(job, 'r1');
  const [first] = (await calls.times('call')) as { signal: AbortSignal }[];
  first!.signal.addEventListener('abort', () => release());
  await stopping.stop();
  const stoppedAt = performance.now();
  await using other = await hostOn(server, [job], { leaseMs: 60_000 });
  await other.seen.times('ended');
  expect(performance.now() - stoppedAt).toBeLessThan(5_000);
  expect(types(await other.historyOf(job, 'r1'))).toEqual(['started', 'resumed', 'transitioned', 'finished']);
  await nothingLeft(other);
});

it('a run whose command was lost, and its holder with it, goes on by another command for it', async () => {
  const { work, calls, release } = firstCallWaits();
  const job = stepsJob('orphaned', ['only'], work);
  await using proxy = await tcpProxy(server);
  await using lost = await hostOn(proxy, [job], { leaseMs: 60_000 });
  await lost.start(job, 'r1');
  await calls.times('call');
  proxy.refuse();
  await using other = await hostOn(server, [job], { leaseMs: 60_000 });
  await other.manager.streams.purge('COMMANDS', { filter: 'cmd.orphaned.>' });
  await other.commands.start({ jobType: jobTypeId('orphaned'), runId: runId('r1'), input: {}, messageId: 'another' });
  await other.seen.times('ended');
  const history = await other.historyOf(job, 'r1');
  expect(types(history)).toEqual(['started', 'resumed', 'finished']);
  expect(history[1]!.event.data.lease.command).not.toBe(history[0]!.event.data.lease.command);
  proxy.heal();
  release();
});

it('whoever goes on with a run tells its activities of the same trace', async () => {
  const calls = new Sightings();
  const job = stepsJob('traced', ['only'], async (_, { traceparent, signal }) => {
    calls.saw('trace', traceparent);
    if (calls.of('trace').length === 1) await new Promise((resolve) => signal.addEventListener('abort', resolve));
    return null;
  });
  const first = await hostOn(server, [job]);
  await first.start(job, 'r1');
  await calls.times('trace');
  await first.stop();
  await using second = await hostOn(server, [job]);
  await second.seen.times('ended');
  const traces = (await second.historyOf(job, 'r1')).map(({ event }) => event.traceparent);
  expect(traces[0]).toMatch(/^00-/);
  expect(new Set([...calls.of('trace'), ...traces])).toEqual(new Set([traces[0]]));
});

it('a run that was delivered many times goes on soon, though the server has forgotten that and counts from one again', async () => {
  const calls = new Sightings();
  const job = stepsJob('many-deliveries', ['only'], (_, { signal }) => {
    calls.saw('call');
    return calls.of('call').length > 5 ? Promise.resolve(null) : new Promise((_, reject) => signal.addEventListener('abort', reject));
  });
  await using client = await clientOn(server);
  await client.start(job, 'r1');
  for (let delivery = 1; delivery <= 4; delivery++) {
    const leaving = await hostOn(server, [job], { stopGraceMs: 0 });
    await calls.times('call', delivery);
    await leaving.stop();
  }
  await using proxy = await tcpProxy(server);
  await using cutOff = await hostOn(proxy, [job], { leaseMs: LEASE_MS });
  await calls.times('call', 5);
  proxy.refuse();
  await client.manager.consumers.delete('COMMANDS', 'start-many-deliveries-normal'); // as a crash of the server may do
  await using other = await hostOn(server, [job], { leaseMs: LEASE_MS });
  await other.seen.times('ended');
  const history = await client.historyOf(job, 'r1');
  expect(types(history)).toEqual(['started', 'resumed', 'resumed', 'resumed', 'resumed', 'resumed', 'finished']);
  const counted = history.map(({ event }) => event.data.lease.delivery).join();
  expect(['1,2,3,4,5,2,2', '1,1,1,1,1,1,1']).toContain(counted); // server 2.9 forgets whenever a process declares the consumer
  expect(history.at(-1)?.event.data.lease.term).toBe(6);
  proxy.heal();
  await cutOff.stop();
});
