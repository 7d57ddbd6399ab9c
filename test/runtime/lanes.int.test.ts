/** Lanes and limits: what must not wait does not, what must not be exceeded is not, whoever else has much to do. */
import { describe, expect, it, vi } from 'vitest';
import type { Activity } from '../../src/domain/activity.ts';
import { jobTypeId, runId } from '../../src/domain/ids.ts';
import { LANES, type Lane } from '../../src/domain/job-type.ts';
import { consumerOf } from '../../streams/commands.stream.ts';
import { commandsLeft } from '../support/commands-left.ts';
import { HeldWork } from '../support/held-work.ts';
import { type Client, clientOn, hostOn } from '../support/host-on.ts';
import { stepsJob, type TestJob } from '../support/jobs.ts';
import { useNatsServer } from '../support/nats-server.ts';

const server = useNatsServer();
const nothing: Activity<string, unknown> = () => Promise.resolve(null);
const numbered = (prefix: string, count: number) => Array.from({ length: count }, (_, n) => `${prefix}-${n}`);
const LONG = { timeout: 20_000 };

async function send(client: Client, job: TestJob, runs: readonly string[], lane: Lane = 'normal'): Promise<void> {
  const jobType = jobTypeId(job.jobType.id);
  for (const run of runs) await client.commands.start({ jobType, runId: runId(run), lane, input: {} });
}
const consumerInfo = (client: Client, job: TestJob, lane: Lane = 'normal') =>
  client.manager.consumers.info('COMMANDS', consumerOf({ kind: 'start', jobType: jobTypeId(job.jobType.id), lane }).name);
const nothingLeft = (client: Client) => expect.poll(() => commandsLeft(client.connection), LONG).toEqual({ stored: 0, unacknowledged: 0 });

describe('a lane that is full', () => {
  it.each<[full: Lane, other: Lane]>([
    ['low', 'high'],
    ['high', 'low'],
  ])('%s blocks no run of lane %s', async (full, other) => {
    const held = new HeldWork();
    const work: Activity<string, unknown> = (step, context) =>
      context.runId.startsWith('held') ? held.work(step, context) : Promise.resolve(null);
    const job = stepsJob(`full-${full}`, ['only'], work, { concurrency: { high: 2, normal: 2, low: 2 } });
    await using host = await hostOn(server, [job]);
    await send(host, job, numbered('held', 6), full);
    await vi.waitFor(() => expect(held.going).toHaveLength(2));
    await send(host, job, numbered('passes', 6), other);
    await host.seen.times('ended', 6);
    expect(held.begun).toHaveLength(2);
    await vi.waitFor(() => {
      if (held.going.length > 0) held.letEnd();
      expect(host.seen.of('ended')).toHaveLength(12);
    }, LONG);
    expect(held.most).toBe(2);
    await nothingLeft(host);
  });

  it('keeps a process with one slot from nothing: low runs end under a flood of high ones', async () => {
    const order: string[] = [];
    const work: Activity<string, unknown> = async (_, { runId: run }) => order.push(run);
    const job = stepsJob('flooded-high', ['only'], work, { concurrency: { high: 50, normal: 50, low: 50 } });
    await using sender = await clientOn(server);
    await send(sender, job, numbered('high', 200), 'high');
    await send(sender, job, numbered('low', 10), 'low');
    await using host = await hostOn(server, [job], { maxRuns: 1 });
    await host.seen.times('ended', 210);
    expect(order.indexOf('low-9')).toBeLessThan(150);
    await nothingLeft(host);
  });
});

describe('a process that may do two runs at once, one job type of three being flooded with long ones', () => {
  const jobs = (prefix: string) => {
    const held = new HeldWork();
    return {
      held,
      long: stepsJob(`${prefix}-long`, ['only'], held.work),
      others: [stepsJob(`${prefix}-b`, ['only'], held.work), stepsJob(`${prefix}-c`, ['only'], held.work)] as const,
    };
  };
  const isLong = (run: string) => run.startsWith('long');

  it('starts runs of the others that waited before it came', async () => {
    const { held, long, others } = jobs('before');
    await using sender = await clientOn(server);
    await send(sender, long, numbered('long', 12));
    for (const job of others) await send(sender, job, numbered(job.jobType.id, 2));
    await using host = await hostOn(server, [long, ...others], { maxRuns: 2 });
    for (let ended = 0; ended < 16; ended++) {
      await vi.waitFor(() => expect(held.going).toHaveLength(Math.min(2, 16 - ended)), LONG);
      held.letEnd();
    }
    await host.seen.times('ended', 16);
    expect(held.most).toBe(2);
    const lastOfOthers = held.begun.findLastIndex((run) => !isLong(run));
    expect(held.begun.slice(0, lastOfOthers).filter(isLong).length).toBeLessThan(9);
    await nothingLeft(host);
  });

  it('turns to a run of another as soon as something is free, and holds no lease that it does not work on', async () => {
    const { held, long, others } = jobs('after');
    await using host = await hostOn(server, [long, ...others], { maxRuns: 2 });
    for (const job of [long, ...others]) await vi.waitFor(async () => expect((await consumerInfo(host, job)).num_waiting).toBe(1));
    await send(host, long, numbered('long', 8));
    await vi.waitFor(() => expect(held.going).toHaveLength(2));
    // It asks for one of each in case there is something: what comes must go back.
    for (const job of others) await send(host, job, [job.jobType.id]);
    for (const job of others)
      await vi.waitFor(async () => expect((await consumerInfo(host, job)).delivered.consumer_seq).toBeGreaterThan(0));
    expect((await consumerInfo(host, long)).num_ack_pending).toBe(2);
    for (const begun of [3, 4]) {
      held.letEnd(held.going.find(isLong));
      await vi.waitFor(() => expect(held.begun).toHaveLength(begun));
    }
    expect(held.begun.slice(2).sort()).toEqual(others.map(({ jobType }) => jobType.id));
    for (let left = 8; left > 0; left--) {
      await vi.waitFor(() => expect(held.going).toHaveLength(Math.min(2, left)), LONG);
      held.letEnd();
    }
    await host.seen.times('ended', 10);
    expect(held.most).toBe(2);
    for (const job of others) {
      const [started] = await host.historyOf(job, job.jobType.id);
      expect(started!.event.data.lease.delivery).toBeLessThanOrEqual(2); // went back once
    }
    await nothingLeft(host);
  });
});

it('two processes with fewer slots than they could use carry out a thousand runs of every job type and lane, and never more at once', async () => {
  const most = [0, 0];
  const going = [0, 0];
  const jobsOf = (process: number) =>
    ['a', 'b', 'c'].map((name) => {
      const work: Activity<string, unknown> = async () => {
        going[process]!++;
        most[process] = Math.max(most[process]!, going[process]!);
        await new Promise((resolve) => setImmediate(resolve));
        going[process]!--;
      };
      return stepsJob(`thousand-${name}`, ['only'], work, { concurrency: { high: 4, normal: 4, low: 4 } });
    });
  await using one = await hostOn(server, jobsOf(0), { maxRuns: 3 });
  await using other = await hostOn(server, jobsOf(1), { maxRuns: 5 });
  const sent = numbered('r', 1_000).map((run, n) => send(one, jobsOf(0)[n % 3]!, [run], LANES[Math.floor(n / 3) % 3]));
  await Promise.all(sent);
  await nothingLeft(one);
  expect(one.seen.of('ended').length + other.seen.of('ended').length).toBe(1_000);
  for (const [process, limit] of [3, 5].entries()) {
    expect(most[process]).toBeGreaterThan(0);
    expect(most[process]).toBeLessThanOrEqual(limit);
  }
  let deliveries = 0;
  for (const job of jobsOf(0)) for (const lane of LANES) deliveries += (await consumerInfo(one, job, lane)).delivered.consumer_seq;
  expect(deliveries).toBeLessThan(1_050); // few went back
});

it('three processes do five runs at once, no more and no fewer, and so does who takes the place of one of them', async () => {
  const held = new HeldWork();
  const job = stepsJob('five-at-once', ['only'], held.work, { concurrency: 5 });
  const first = await hostOn(server, [job]);
  await using second = await hostOn(server, [job]);
  await using third = await hostOn(server, [job]);
  await send(second, job, numbered('r', 30));
  const fiveAreGoing = () => vi.waitFor(() => expect(held.going).toHaveLength(5), LONG);
  for (let ended = 0; ended < 10; ended++) {
    await fiveAreGoing();
    held.letEnd();
  }
  await fiveAreGoing();
  await first.stop();
  await fiveAreGoing();
  await using fourth = await hostOn(server, [job]);
  for (let ended = 10; ended < 30; ended++) {
    await vi.waitFor(() => expect(held.going).toHaveLength(Math.min(5, 30 - ended)), LONG);
    held.letEnd();
  }
  await nothingLeft(fourth);
  expect(held.most).toBe(5);
  expect(new Set(held.begun).size).toBe(30);
  expect([first, second, third, fourth].reduce((sum, { seen }) => sum + seen.of('ended').length, 0)).toBe(30);
});

describe('a deployment may', () => {
  it('change the limits of lanes, and add lanes', async () => {
    const job = (concurrency: TestJob['jobType']['concurrency'] & {}) => stepsJob('relimited', ['only'], nothing, { concurrency });
    const limitOf = async (client: Client, lane: Lane) => (await consumerInfo(client, job(1), lane)).config.max_ack_pending;
    const today = await hostOn(server, [job(3)]);
    expect(await limitOf(today, 'normal')).toBe(3);
    await today.stop();
    await using tomorrow = await hostOn(server, [job({ high: 7, normal: 5 })]);
    expect([await limitOf(tomorrow, 'high'), await limitOf(tomorrow, 'normal')]).toEqual([7, 5]);
  });

  it('drop a lane: what is left in it is carried out, with the limit it had, and then it goes', async () => {
    const held = new HeldWork();
    const withLow = stepsJob('drops-low', ['only'], held.work, { concurrency: { normal: 4, low: 2 } });
    const withoutLow = stepsJob('drops-low', ['only'], held.work, { concurrency: 4 });
    const before = await hostOn(server, [withLow]);
    await send(before, withLow, numbered('r', 5), 'low');
    await vi.waitFor(() => expect(held.going).toHaveLength(2));
    await before.stop();

    const after = await hostOn(server, [withoutLow]);
    for (let left = 5; left > 0; left--) {
      await vi.waitFor(() => expect(held.going).toHaveLength(Math.min(2, left)), LONG);
      held.letEnd();
    }
    await after.seen.times('ended', 5);
    expect(held.most).toBe(2);
    await nothingLeft(after);
    await after.stop();

    await using later = await hostOn(server, [withoutLow]);
    await expect(consumerInfo(later, withLow, 'low')).rejects.toThrow(/not found/);
    await consumerInfo(later, withLow);
  });

  it('drop a lane while processes of the earlier one go on: what they still ask for stays theirs', async () => {
    const withLow = stepsJob('still-low', ['only'], nothing, { concurrency: { normal: 4, low: 2 } });
    await using old = await hostOn(server, [withLow]);
    await using _ = await hostOn(server, [stepsJob('still-low', ['only'], nothing, { concurrency: 4 })]);
    await send(old, withLow, ['r1'], 'low');
    await old.seen.times('ended', 1);
    expect(old.seen.of('warning')).toEqual([]);
    await nothingLeft(old);
  });
});
