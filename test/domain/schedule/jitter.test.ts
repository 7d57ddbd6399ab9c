import { expect, it } from 'vitest';
import { type Instant, scheduleId } from '../../../src/domain/ids.ts';
import { jitterOf } from '../../../src/domain/schedule/jitter.ts';

const DAY = 86_400_000;
const nightly = scheduleId('nightly');
const of = (jitterMs: number, id = nightly) =>
  Array.from({ length: 10_000 }, (_, day) => jitterOf(id, { jitterMs }, (day * DAY) as Instant));

it('is the same whenever it is asked for: replicas and restarts agree', () => {
  expect(of(60_000)).toEqual(of(60_000));
  expect(jitterOf(nightly, { jitterMs: 60_000 }, Date.UTC(2026, 10, 23, 3) as Instant)).toMatchInlineSnapshot(`3308`);
});

it('is spread evenly over whole milliseconds from 0 to jitterMs', () => {
  const values = of(9);
  const counts = Array.from({ length: 10 }, (_, value) => values.filter((each) => each === value).length);
  for (const count of counts) expect(Math.abs(count - 1_000)).toBeLessThan(150);
  expect(counts.reduce((sum, count) => sum + count)).toBe(10_000);
});

it('spreads schedules that are due at the same time', () => {
  const same = new Set(
    Array.from({ length: 1_000 }, (_, index) => jitterOf(scheduleId(`s${index}`), { jitterMs: 3_600_000 }, 0 as Instant)),
  );
  expect(same.size).toBeGreaterThan(990);
});

it('is nothing when none is asked for', () => {
  expect(new Set(of(0))).toEqual(new Set([0]));
});
