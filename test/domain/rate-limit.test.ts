import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Instant } from '../../src/domain/ids.ts';
import { intervalMs, type Rate, rateProblem, type TheoreticalArrival, turnAt } from '../../src/domain/rate-limit.ts';

const rates: fc.Arbitrary<Rate> = fc.record({
  runs: fc.integer({ min: 1, max: 1_000 }),
  perMs: fc.integer({ min: 1, max: 3_600_000 }),
  burst: fc.integer({ min: 1, max: 50 }),
});
const START = 1_800_000_000_000;
const at = (ms: number) => (START + ms) as Instant;

/** Everybody who asks, at these times after each other: when runs began. */
function begun(rate: Rate, gapsMs: readonly number[]): number[] {
  const times: number[] = [];
  let due: TheoreticalArrival | undefined;
  let now = 0;
  for (const gap of gapsMs) {
    now += gap;
    const turn = turnAt(rate, due, at(now));
    if (turn.kind === 'wait') continue;
    due = turn.next;
    times.push(now);
  }
  return times;
}

describe('a rate', () => {
  it('is kept over every window: no more than the burst and what the time allows', () => {
    const gaps = fc.array(fc.oneof(fc.nat(3), fc.nat(2_000), fc.nat(1_000_000)), { maxLength: 200 });
    fc.assert(
      fc.property(rates, gaps, (rate, gapsMs) => {
        const times = begun(rate, gapsMs);
        for (let first = 0; first < times.length; first++) {
          for (let last = first; last < times.length; last++) {
            const allowed = rate.burst! + (times[last]! - times[first]!) / intervalMs(rate);
            expect(last - first + 1).toBeLessThanOrEqual(allowed + 1e-3);
          }
        }
      }),
    );
  });

  it('names the earliest time: a millisecond before it is too early, then it is not', () => {
    fc.assert(
      fc.property(rates, fc.nat(100), fc.nat(1_000), (rate, already, now) => {
        let due: TheoreticalArrival | undefined;
        for (let n = 0; n < already; n++) {
          const turn = turnAt(rate, due, at(now));
          if (turn.kind === 'go') due = turn.next;
        }
        const turn = turnAt(rate, due, at(now));
        if (turn.kind === 'go') return;
        expect(Number.isSafeInteger(turn.waitMs)).toBe(true);
        expect(turnAt(rate, due, at(now + turn.waitMs - 1)).kind).toBe('wait');
        expect(turnAt(rate, due, at(now + turn.waitMs + 1)).kind).toBe('go');
      }),
    );
  });

  it('allows the whole burst after a quiet time', () => {
    const rate: Rate = { runs: 10, perMs: 1_000, burst: 4 };
    expect(begun(rate, [0, 0, 0, 0, 0, 0])).toEqual([0, 0, 0, 0]);
    expect(begun(rate, [0, 0, 0, 0, 60_000, 0, 0, 0, 0])).toHaveLength(8);
    expect(begun({ runs: 10, perMs: 1_000 }, [0, 0, 99, 1, 0])).toEqual([0, 100]);
  });

  it('that was raised, or a clock that was set back, makes nobody wait for ever', () => {
    const daily: Rate = { runs: 1, perMs: 86_400_000 };
    const [first] = [turnAt(daily, undefined, at(0))] as const;
    const due = (first as { next: number }).next;
    const turn = turnAt({ runs: 1, perMs: 1_000 }, due, at(0));
    expect(turn).toMatchObject({ kind: 'wait' });
    expect((turn as { waitMs: number }).waitMs).toBeLessThanOrEqual(61_000);
  });
});

it.each<[Rate, string]>([
  [{ runs: 0, perMs: 1_000 }, 'rate.runs is 0'],
  [{ runs: 1.5, perMs: 1_000 }, 'rate.runs is 1.5'],
  [{ runs: 1, perMs: Number.NaN }, 'rate.perMs is NaN'],
  [{ runs: 1, perMs: 1_000, burst: 0 }, 'rate.burst is 0'],
])('%o is refused', (rate, problem) => {
  expect(rateProblem(rate)).toBe(`${problem}: use a whole number from 1`);
});
