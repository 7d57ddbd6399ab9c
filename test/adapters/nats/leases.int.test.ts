import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { natsLeases } from '../../../src/adapters/nats/leases.ts';
import { type JobTypeId, jobTypeId, runId } from '../../../src/domain/ids.ts';
import type { Lease, LeaseFeed } from '../../../src/runtime/ports.ts';
import { type FeedSlots, SlotPool } from '../../../src/runtime/slot-pool.ts';
import { consumerOf } from '../../../streams/commands.stream.ts';
import { commandsLeft } from '../../support/commands-left.ts';
import { type Client, clientOn } from '../../support/host-on.ts';
import { startTestServer, useNatsServer } from '../../support/nats-server.ts';
import { publishRaw } from '../../support/publish-raw.ts';
import { Sightings, sightingLog } from '../../support/sightings.ts';
import { tcpProxy } from '../../support/tcp-proxy.ts';

const server = useNatsServer();
const LEASE_MS = 500;
let jobs = 0;
let job: JobTypeId;
let client: Client;

beforeEach(async () => {
  job = jobTypeId(`leased-${++jobs}`);
  client = await clientOn(server);
});
afterEach(() => client[Symbol.asyncDispose]());

const sendTo = async (jobType: JobTypeId, ...runs: string[]) => {
  for (const run of runs) await client.commands.start({ jobType, runId: runId(run), input: {} });
};
const send = (...runs: string[]) => sendTo(job, ...runs);
const consumerName = (of: JobTypeId) => consumerOf({ kind: 'start', jobType: of, lane: 'normal' }).name;
const runOf = (lease: Lease): string => (JSON.parse(Buffer.from(lease.body).toString()) as { key: string }).key;

interface OpenFeed extends AsyncDisposable {
  readonly feed: LeaseFeed;
  readonly seen: Sightings;
  /** The delivery so counted, once it has come. It is held until `settled`. */
  delivery(count: number): Promise<Lease>;
  settled(lease: Lease): void;
}

interface FeedOptions {
  readonly jobType?: JobTypeId;
  /** A number is that of a pool of its own. */
  readonly slots?: number | FeedSlots;
  readonly concurrency?: number;
  readonly leaseMs?: number;
}

async function openFeed(on: Client, options: FeedOptions = {}): Promise<OpenFeed> {
  const { jobType = job, slots = 10, concurrency = 100, leaseMs = LEASE_MS } = options;
  const seen = new Sightings();
  const waiting = new Map<Lease, () => void>();
  const feed = await natsLeases(on.connection, on.manager, sightingLog(seen), { leaseMs }).open({
    commands: { kind: 'start', jobType, lane: 'normal' },
    slots: typeof slots === 'number' ? new SlotPool(slots).join(concurrency) : slots,
    concurrency,
    onLease(lease) {
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.set(lease, resolve);
      seen.saw('lease', lease);
      return promise;
    },
  });
  return {
    feed,
    seen,
    delivery: async (count) => (await seen.times('lease', count))[count - 1] as Lease,
    settled: (lease) => waiting.get(lease)!(),
    async [Symbol.asyncDispose]() {
      await feed.stop();
      await on.manager.consumers.delete('COMMANDS', consumerName(jobType)).catch(() => undefined);
      await on.manager.streams.purge('COMMANDS', { filter: `cmd.${jobType}.>` });
    },
  };
}

it('delivers everything once, never more than its slots at a time', async () => {
  const runs = Array.from({ length: 50 }, (_, n) => `r${n}`);
  await send(...runs);
  await using open = await openFeed(client, { slots: 4, leaseMs: 10_000 });
  const delivered: string[] = [];
  let held = 0;
  for (let count = 1; count <= runs.length; count++) {
    const lease = await open.delivery(count);
    held = open.seen.of('lease').length - (count - 1);
    expect(held).toBeLessThanOrEqual(4);
    delivered.push(runOf(lease));
    lease.acknowledge();
    open.settled(lease);
  }
  expect(delivered).toEqual(runs);
  await expect.poll(() => commandsLeft(client.connection)).toEqual({ stored: 0, unacknowledged: 0 });
});

it('two processes never hold more than the concurrency of the job type together', async () => {
  await send('a', 'b', 'c', 'd');
  await using one = await openFeed(client, { concurrency: 3, slots: 3, leaseMs: 10_000 });
  await using other = await openFeed(client, { concurrency: 3, slots: 3, leaseMs: 10_000 });
  const [first] = await Promise.race([one.seen.times('lease', 2), other.seen.times('lease', 2)]);
  const info = await client.manager.consumers.info('COMMANDS', consumerName(job));
  expect(info.num_ack_pending).toBe(3);
  expect(info.num_pending).toBe(1);
  (first as Lease).acknowledge();
  const all = () => [...one.seen.of('lease'), ...other.seen.of('lease')];
  await expect.poll(() => all().length).toBe(4);
});

it('a lease that is not extended is delivered again; one that is extended stays', async () => {
  await send('extended', 'abandoned');
  await using open = await openFeed(client);
  const extended = await open.delivery(1);
  const beat = setInterval(() => extended.extend(), LEASE_MS / 5);
  const again = await open.delivery(4); // the second, third and fourth delivery of `abandoned`
  clearInterval(beat);
  expect(open.seen.of('lease').map((lease) => runOf(lease as Lease))).toEqual(['extended', 'abandoned', 'abandoned', 'abandoned']);
  expect(again.delivery).toBe(3);
  expect(again.command).toBe((await open.delivery(2)).command);
});

it('a lease handed back comes again after its delay, whole milliseconds or not, and not before', async () => {
  await send('parked');
  await using open = await openFeed(client, { leaseMs: 60_000 });
  const lease = await open.delivery(1);
  const handedBackAt = performance.now();
  lease.handBack(250.5);
  open.settled(lease);
  const again = await open.delivery(2);
  expect(performance.now() - handedBackAt).toBeGreaterThan(250);
  again.handBack(0);
  open.settled(again);
  expect(await open.delivery(3)).toMatchObject({ delivery: 3, command: lease.command });
});

it('the limits of a job type may be another tomorrow', async () => {
  const today = await openFeed(client, { concurrency: 3, leaseMs: 10_000 });
  await today.feed.stop();
  await using _ = await openFeed(client, { concurrency: 7, leaseMs: 20_000 });
  const { config } = await client.manager.consumers.info('COMMANDS', consumerName(job));
  expect(config).toMatchObject({ max_ack_pending: 7, ack_wait: 20_000e6, max_deliver: -1 });
});

it('what was on its way while the feed stopped goes back at once', async () => {
  const open = await openFeed(client, { slots: 100, leaseMs: 60_000 });
  await using otherClient = await clientOn(server);
  const runs = Array.from({ length: 100 }, (_, n) => `r${n}`);
  const sent = Promise.all(runs.map((run) => otherClient.commands.start({ jobType: job, runId: runId(run), input: {} })));
  await open.delivery(1);
  await open.feed.stop();
  await sent;
  for (const lease of open.seen.of('lease')) (lease as Lease).handBack(0);
  await using other = await openFeed(otherClient, { slots: 100, leaseMs: 60_000 });
  await other.delivery(100);
  expect(new Set(other.seen.of('lease').map((lease) => runOf(lease as Lease))).size).toBe(100);
});

describe('goes on', () => {
  it('after the server was restarted', async () => {
    await using own = await startTestServer();
    await using onOwn = await clientOn(own);
    await using open = await openFeed(onOwn);
    await own.restart({ signal: 'SIGKILL' });
    await onOwn.commands.start({ jobType: job, runId: runId('after'), input: {} });
    expect(runOf(await open.delivery(1))).toBe('after');
  });

  it('after its connection was cut', async () => {
    await using proxy = await tcpProxy(server);
    await using cut = await clientOn(proxy);
    await using open = await openFeed(cut);
    proxy.cut();
    await send('after');
    expect(runOf(await open.delivery(1))).toBe('after');
  });

  it('after its consumer was deleted, without asking for more than its slots', async () => {
    await send('before');
    await using open = await openFeed(client, { slots: 2, leaseMs: 60_000 });
    await open.delivery(1);
    await client.manager.consumers.delete('COMMANDS', consumerName(job));
    await send('after-1', 'after-2');
    await open.delivery(2);
    const info = await client.manager.consumers.info('COMMANDS', consumerName(job));
    expect(info.num_waiting).toBeLessThanOrEqual(1);
    expect(open.seen.of('warning')).toMatchObject([{ reason: expect.stringMatching(/Consumer Deleted/i) }]);
  });
});

describe('of two feeds that share one slot, each', () => {
  let otherJob: JobTypeId;
  let mine: FeedOptions;
  let others: FeedOptions;
  beforeEach(() => {
    otherJob = jobTypeId(`${job}-other`);
    const pool = new SlotPool(1);
    mine = { slots: pool.join(1) };
    others = { slots: pool.join(1), jobType: otherJob };
  });
  const consumer = (jobType: JobTypeId) => client.manager.consumers.info('COMMANDS', consumerName(jobType));

  it('gets its turn when the other has what it wants', async () => {
    await send('a1', 'a2', 'a3');
    await using a = await openFeed(client, { ...mine, leaseMs: 60_000 });
    await using b = await openFeed(client, { ...others, leaseMs: 60_000 });
    await a.delivery(1);
    await sendTo(otherJob, 'b1', 'b2', 'b3');
    const order: string[] = [];
    for (let a1 = 0, b1 = 0; a1 + b1 < 6; ) {
      const [lease, of] = await Promise.race([
        a.delivery(a1 + 1).then((lease) => [lease, a] as const),
        b.delivery(b1 + 1).then((lease) => [lease, b] as const),
      ]);
      expect(a.seen.of('lease').length + b.seen.of('lease').length).toBe(a1 + b1 + 1);
      order.push(runOf(lease));
      if (of === a) a1++;
      else b1++;
      lease.acknowledge();
      of.settled(lease);
    }
    expect(order.filter((run) => run.startsWith('a'))).toEqual(['a1', 'a2', 'a3']);
    expect(order.filter((run) => run.startsWith('b'))).toEqual(['b1', 'b2', 'b3']);
    expect(order.indexOf('b1')).toBeLessThan(order.indexOf('a3'));
  });

  it('goes on after the connection was cut while it had nothing to do', async () => {
    await using proxy = await tcpProxy(server);
    await using cut = await clientOn(proxy);
    await using a = await openFeed(cut, mine);
    await using b = await openFeed(cut, others);
    for (const jobType of [job, otherJob]) await expect.poll(async () => (await consumer(jobType)).num_waiting).toBe(1);
    proxy.cut();
    await send('a1');
    const lease = await a.delivery(1);
    lease.acknowledge();
    a.settled(lease);
    await sendTo(otherJob, 'b1');
    expect(runOf(await b.delivery(1))).toBe('b1');
  });

  it('goes on after its consumer was deleted while it waited for its turn', async () => {
    await send('a1');
    await using a = await openFeed(client, { ...mine, leaseMs: 60_000 });
    const lease = await a.delivery(1);
    await using b = await openFeed(client, { ...others, leaseMs: 60_000 });
    await client.manager.consumers.delete('COMMANDS', consumerName(otherJob));
    await sendTo(otherJob, 'b1');
    lease.acknowledge();
    a.settled(lease);
    expect(runOf(await b.delivery(1))).toBe('b1');
    expect(b.seen.of('warning')).toHaveLength(1);
  });

  it('leaves the slot to the other when it stops', async () => {
    await using a = await openFeed(client, { ...mine, leaseMs: 60_000 });
    await using b = await openFeed(client, { ...others, leaseMs: 60_000 });
    await a.feed.stop();
    await sendTo(otherJob, 'b1');
    const lease = await b.delivery(1);
    expect([runOf(lease), lease.delivery]).toEqual(['b1', 1]);
  });
});

it('a message whose headers break the rules is a lease all the same, and the connection lives', async () => {
  await using open = await openFeed(client, { leaseMs: 60_000 });
  const header = 'NATS/1.0\r\nBad Name\u00e4: x\r\nNo colon\r\nGood: y\r\n\r\n';
  await publishRaw(server, `cmd.${job}.start.normal`, header, '{"key":"odd"}');
  const lease = await open.delivery(1);
  expect(runOf(lease)).toBe('odd');
  expect(lease.headers).toBeTypeOf('object');
  await send('next');
  expect(runOf(await open.delivery(2))).toBe('next');
});
