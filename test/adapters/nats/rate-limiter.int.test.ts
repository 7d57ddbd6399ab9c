import { afterEach, beforeEach, expect, it } from 'vitest';
import { natsRateLimiter } from '../../../src/adapters/nats/rate-limiter.ts';
import { type Instant, type JobTypeId, jobTypeId } from '../../../src/domain/ids.ts';
import type { Rate } from '../../../src/domain/rate-limit.ts';
import type { RateLimiter } from '../../../src/runtime/ports.ts';
import { limits, rateSubject } from '../../../streams/limits.stream.ts';
import { type Client, clientOn } from '../../support/host-on.ts';
import { startTestServer, useNatsServer } from '../../support/nats-server.ts';

const server = useNatsServer();
let jobs = 0;
let job: JobTypeId;
let client: Client;
let other: Client;
beforeEach(async () => {
  job = jobTypeId(`rated-${++jobs}`);
  [client, other] = await Promise.all([clientOn(server), clientOn(server)]);
});
afterEach(() => Promise.all([client, other].map((one) => one[Symbol.asyncDispose]())));

const START = 1_800_000_000_000;
const at = (ms: number) => (START + ms) as Instant;
const limiterOn = ({ publisher, manager }: Client) => natsRateLimiter(publisher, manager);
const RATE: Rate = { runs: 10, perMs: 1_000, burst: 3 };

it('two processes keep one rate together, however they ask at the same time', async () => {
  const limiters = [limiterOn(client), limiterOn(other)];
  const begun: number[] = [];
  for (let ms = 0; ms <= 2_000; ms += 25) {
    const asked = limiters.flatMap((limiter) => [limiter.take(job, RATE, at(ms)), limiter.take(job, RATE, at(ms))]);
    for (const { waitMs } of await Promise.all(asked)) if (waitMs === 0) begun.push(ms);
  }
  expect(begun).toHaveLength(3 + 20);
  for (let first = 0; first < begun.length; first++)
    for (let last = first; last < begun.length; last++)
      expect(last - first + 1).toBeLessThanOrEqual(3 + (begun[last]! - begun[first]!) / 100);
});

/** Takes all that there is; the waits of those who come after. */
async function waitsAfterBurst(limiter: RateLimiter, rate: Rate, asking: number): Promise<number[]> {
  for (let n = 0; n < rate.burst!; n++) expect(await limiter.take(job, rate, at(0))).toEqual({ waitMs: 0 });
  return (await Promise.all(Array.from({ length: asking }, () => limiter.take(job, rate, at(0))))).map(({ waitMs }) => waitMs);
}

it('tells those that must wait times as far apart as they may begin, from the earliest on', async () => {
  const waits = await waitsAfterBurst(limiterOn(client), RATE, 25);
  expect(waits.slice(0, 11)).toEqual([100, 200, 300, 400, 500, 600, 700, 800, 900, 1_000, 1_100]);
  expect(waits[11]).toBe(100);
  expect(waits.every((waitMs) => Number.isSafeInteger(waitMs) && waitMs <= 1_100)).toBe(true);
});

it('asks nobody while it knows that it is too early', async () => {
  const limiter = limiterOn(client);
  await waitsAfterBurst(limiter, RATE, 1);
  const before = client.connection.stats().outMsgs;
  expect((await limiter.take(job, RATE, at(50))).waitMs).toBeGreaterThan(0);
  expect(client.connection.stats().outMsgs).toBe(before);
});

it('goes on where others are, and after what somebody else wrote there', async () => {
  await waitsAfterBurst(limiterOn(client), RATE, 0);
  const late = limiterOn(other);
  expect(await late.take(job, RATE, at(0))).toEqual({ waitMs: 100 });
  await client.manager.jetstream().publish(rateSubject(job), 'no state');
  expect(await late.take(job, RATE, at(100))).toEqual({ waitMs: 0 });
  expect(await limiterOn(client).take(job, RATE, at(100))).toEqual({ waitMs: 0 });
  const { state } = await client.manager.streams.info(limits.name, { subjects_filter: rateSubject(job) });
  expect(state.subjects).toEqual({ [rateSubject(job)]: 1 });
});

it('a rate outlives a crash of the server', async () => {
  await using own = await startTestServer();
  await using before = await clientOn(own);
  const daily: Rate = { runs: 1, perMs: 86_400_000 };
  expect(await limiterOn(before).take(job, daily, at(0))).toEqual({ waitMs: 0 });
  await own.restart({ signal: 'SIGKILL' });
  await using after = await clientOn(own);
  expect((await limiterOn(after).take(job, daily, at(1_000))).waitMs).toBe(86_399_000);
});
