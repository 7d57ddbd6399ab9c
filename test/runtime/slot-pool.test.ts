import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type FeedSlots, SlotPool } from '../../src/runtime/slot-pool.ts';

/** A member of the pool that counts what it was granted. */
function joined(pool: SlotPool, limit: number, weight?: number) {
  const slots = pool.join(limit, weight);
  const feed = { slots, has: 0, wanted: 0 };
  slots.onGranted = (count) => {
    feed.has += count;
    feed.wanted -= count;
  };
  return feed;
}
type Feed = ReturnType<typeof joined>;
const want = (feed: Feed, count: number) => {
  feed.wanted = count;
  feed.slots.want(count);
};
const giveBack = (feed: Feed, count = 1) => {
  feed.has -= count;
  feed.slots.giveBack(count);
};

describe('a pool that has enough for all', () => {
  it('says so, and grants at once what is wanted', () => {
    const pool = new SlotPool(10);
    const [a, b] = [joined(pool, 4), joined(pool, 6)];
    want(a, 4);
    want(b, 6);
    expect([a.has, b.has, a.slots.plenty, b.slots.plenty]).toEqual([4, 6, true, true]);
  });

  it('has enough no longer when another feed joins, and again when it leaves', () => {
    const pool = new SlotPool(10);
    const a = joined(pool, 10);
    const b = joined(pool, 1);
    expect(a.slots.plenty).toBe(false);
    b.slots.leave();
    expect(a.slots.plenty).toBe(true);
  });
});

it('a feed may have no more than its own limit, nor more than there is', () => {
  const pool = new SlotPool(10);
  expect([pool.join(4).most, pool.join(100).most]).toEqual([4, 10]);
});

it('a slot that is given back goes to whom waits, in turns, however much another one wants', () => {
  const pool = new SlotPool(2);
  const [flooded, b, c] = [joined(pool, 100), joined(pool, 100), joined(pool, 100)];
  for (const feed of [flooded, b, c]) want(feed, 2);
  expect([flooded.has, b.has, c.has]).toEqual([2, 0, 0]);
  for (let ended = 0; ended < 3; ended++) {
    want(flooded, 2);
    giveBack(flooded);
  }
  expect([flooded.has, b.has, c.has]).toEqual([0, 1, 1]);
});

it('turns are as many as the weights say', () => {
  const pool = new SlotPool(1);
  const feeds = { high: joined(pool, 9, 4), normal: joined(pool, 9, 2), low: joined(pool, 9, 1) };
  const order: string[] = [];
  for (const feed of Object.values(feeds)) want(feed, 1);
  for (let turn = 0; turn < 70; turn++) {
    const [name, feed] = Object.entries(feeds).find(([, { has }]) => has > 0)!;
    order.push(name);
    want(feed, 1);
    giveBack(feed);
  }
  const turns = (name: string) => order.filter((one) => one === name).length;
  expect(turns('high')).toBeGreaterThanOrEqual(39);
  expect(turns('normal')).toBeGreaterThanOrEqual(19);
  expect(turns('low')).toBeGreaterThanOrEqual(9);
});

it('who was turned away with a lease in hand comes first', () => {
  const pool = new SlotPool(1);
  const [a, heavy, turnedAway] = [joined(pool, 9), joined(pool, 9, 100), joined(pool, 9, 1)];
  want(a, 1);
  want(heavy, 1);
  expect(turnedAway.slots.takeOne()).toBe(false);
  want(turnedAway, 1);
  giveBack(a);
  expect([heavy.has, turnedAway.has]).toEqual([0, 1]);
});

it('what is not wanted any more is not granted, and a feed that has left gets nothing', () => {
  const pool = new SlotPool(1);
  const [a, b, c] = [joined(pool, 1), joined(pool, 1), joined(pool, 1)];
  want(a, 1);
  want(b, 1);
  want(b, 0);
  want(c, 1);
  c.slots.leave();
  giveBack(a);
  expect([a.has, b.has, c.has]).toEqual([0, 0, 0]);
  expect(b.slots.takeOne()).toBe(true);
});

type Step = { readonly feed: number; readonly does: 'want' | 'giveBack' | 'takeOne'; readonly count: number };
const step: fc.Arbitrary<Step> = fc.record({
  feed: fc.nat(3),
  does: fc.constantFrom('want' as const, 'giveBack' as const, 'takeOne' as const),
  count: fc.nat(6),
});

it('never grants more than there is, and never leaves a slot unused while somebody waits', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 8 }),
      fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 4, maxLength: 4 }),
      fc.array(step),
      (capacity, weights, steps) => {
        const pool = new SlotPool(capacity);
        const feeds = weights.map((weight) => joined(pool, capacity, weight));
        const used = () => feeds.reduce((sum, { has }) => sum + has, 0);
        for (const { feed: at, does, count } of steps) {
          const feed = feeds[at]!;
          const free = capacity - used();
          if (does === 'want') want(feed, Math.min(count, capacity - feed.has));
          else if (does === 'giveBack') giveBack(feed, Math.min(count, feed.has));
          else if ((feed.slots as FeedSlots).takeOne()) {
            feed.has++;
            expect(free).toBeGreaterThan(0);
          }
          expect(used()).toBeLessThanOrEqual(capacity);
          if (feeds.some(({ wanted }) => wanted > 0)) expect(used()).toBe(capacity);
        }
      },
    ),
  );
});

it('whoever waits gets its turn before another one has had more turns than the weights allow', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 2, maxLength: 6 }),
      fc.integer({ min: 1, max: 4 }),
      (weights, capacity) => {
        const pool = new SlotPool(capacity);
        const feeds = weights.map((weight) => joined(pool, capacity, weight));
        for (const feed of feeds) want(feed, 1);
        const sum = weights.reduce((a, b) => a + b, 0);
        const served = new Set<Feed>();
        for (let turn = 0; turn < sum * (capacity + 1); turn++) {
          const holding = feeds.find(({ has }) => has > 0)!;
          served.add(holding);
          want(holding, 1);
          giveBack(holding);
        }
        for (const feed of feeds) if (feed.has > 0) served.add(feed);
        expect(served.size).toBe(feeds.length);
      },
    ),
  );
});
