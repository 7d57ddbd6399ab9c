import { describe, expect, it } from 'vitest';
import type { Instant } from '../../../src/domain/ids.ts';
import {
  isOccurrence,
  nextOccurrence,
  occurrencesAfter,
  occurrencesBefore,
  previousOccurrence,
} from '../../../src/domain/schedule/occurrences.ts';
import { parseTiming } from '../../../src/domain/schedule/parse-timing.ts';
import { LATEST, type Timing } from '../../../src/domain/schedule/timing.ts';

const at = (text: string) => Date.parse(text) as Instant;
const iso = (instant: Instant | undefined) => (instant === undefined ? undefined : new Date(instant).toISOString());
const timing = (input: object) => parseTiming(input, { timeZone: 'UTC' });
const next = (input: object, after: string) => iso(nextOccurrence(timing(input), at(after)));
const previous = (input: object, before: string) => iso(previousOccurrence(timing(input), at(before)));

describe('bounds', () => {
  const input = { cron: '0 3 * * *', startAt: '2026-03-02T03:00:00Z', endAt: '2026-03-04T03:00:00Z' };
  const all = ['2026-03-02T03:00:00.000Z', '2026-03-03T03:00:00.000Z', '2026-03-04T03:00:00.000Z'];

  it('are included', () => {
    expect([...occurrencesAfter(timing(input), 0 as Instant, LATEST)].map(iso)).toEqual(all);
    expect([...occurrencesBefore(timing(input), LATEST, 0 as Instant)].map(iso)).toEqual(all.toReversed());
  });
  it('end what is due', () => {
    expect(next(input, '2026-03-04T03:00:00Z')).toBeUndefined();
    expect(previous(input, '2026-03-02T03:00:00Z')).toBeUndefined();
  });
  it('hold for intervals and for one instant', () => {
    const bounds = { startAt: '2026-03-02T00:00:01Z', endAt: '2026-03-02T00:02:00Z' };
    const every = { everyMs: 60_000, anchor: '2030-01-01T00:00:00Z', ...bounds };
    expect([...occurrencesAfter(timing(every), 0 as Instant, LATEST)].map(iso)).toEqual([
      '2026-03-02T00:01:00.000Z',
      '2026-03-02T00:02:00.000Z',
    ]);
    const once = { at: '2026-03-02T00:02:00Z', ...bounds };
    expect([...occurrencesBefore(timing(once), LATEST, 0 as Instant)].map(iso)).toEqual(['2026-03-02T00:02:00.000Z']);
  });
});

it('the range of a list is open at its beginning and closed at its end', () => {
  const hours = [...occurrencesAfter(timing({ cron: '0 * * * *' }), at('2026-01-01T01:00Z'), at('2026-01-01T03:00Z'))].map(iso);
  expect(hours).toEqual(['2026-01-01T02:00:00.000Z', '2026-01-01T03:00:00.000Z']);
});

it('milliseconds count: strictly after, strictly before', () => {
  const second = { cron: '* * * * * *' };
  expect(next(second, '2026-01-01T00:00:00.001Z')).toBe('2026-01-01T00:00:01.000Z');
  expect(next(second, '2026-01-01T00:00:01.000Z')).toBe('2026-01-01T00:00:02.000Z');
  expect(previous(second, '2026-01-01T00:00:01.001Z')).toBe('2026-01-01T00:00:01.000Z');
  expect(previous(second, '2026-01-01T00:00:01.000Z')).toBe('2026-01-01T00:00:00.000Z');
  expect(isOccurrence(timing(second), at('2026-01-01T00:00:01.000Z'))).toBe(true);
  expect(isOccurrence(timing(second), at('2026-01-01T00:00:01.001Z'))).toBe(false);
});

it('the days that a pattern can name', () => {
  expect(next({ cron: '0 0 13 * 5' }, '2026-11-01T00:00Z')).toBe('2026-11-06T00:00:00.000Z');
  expect(next({ cron: '0 0 13 * +5' }, '2026-11-14T00:00Z')).toBe('2027-08-13T00:00:00.000Z');
  expect(next({ cron: '0 0 L * *' }, '2028-02-01T00:00Z')).toBe('2028-02-29T00:00:00.000Z');
  expect(next({ cron: '0 0 * * 5#2' }, '2026-11-01T00:00Z')).toBe('2026-11-13T00:00:00.000Z');
  expect(next({ cron: '0 0 * * 7' }, '2026-11-23T00:00Z')).toBe('2026-11-29T00:00:00.000Z');
  expect(next({ cron: '@weekly' }, '2026-11-23T00:00Z')).toBe('2026-11-29T00:00:00.000Z');
});

describe('however far it is', () => {
  it.each([
    [{ cron: '0 0 29 2 1' }, '9998-12-31T00:00Z', '9999-02-01T00:00:00.000Z'],
    [{ cron: '0 0 31 12 *' }, '9998-12-31T00:00Z', '9999-12-31T00:00:00.000Z'],
    [{ cron: '0 0 31 12 *' }, '9999-12-31T00:00Z', undefined],
    [{ cron: '0 0 29 2 +1' }, '1970-01-01T00:00Z', '1988-02-29T00:00:00.000Z'],
    [{ cron: '0 0 29 2 +1', startAt: '9000-01-01T00:00:00Z' }, '1970-01-01T00:00Z', '9008-02-29T00:00:00.000Z'],
    [{ cron: '30 2 * 3 +0L', timeZone: 'Europe/Berlin' }, '9990-06-01T00:00Z', '9991-03-31T01:00:00.000Z'],
    [{ everyMs: 1_000, startAt: '9999-01-01T00:00:00Z' }, '1970-01-01T00:00Z', '9999-01-01T00:00:00.000Z'],
    [{ at: '9999-12-31T23:59:59.999Z' }, '1970-01-01T00:00Z', '9999-12-31T23:59:59.999Z'],
  ])('the next of %j after %s', (input, after, expected) => {
    expect(next(input, after)).toBe(expected);
  });
  it.each([
    [{ cron: '0 0 29 2 +1' }, '9999-12-31T00:00Z', '9988-02-29T00:00:00.000Z'],
    [{ cron: '0 0 31 12 *', endAt: '1971-01-01T00:00:00Z' }, '9999-12-31T00:00Z', '1970-12-31T00:00:00.000Z'],
    [{ cron: '0 0 * * *' }, '1970-01-01T00:00Z', undefined],
    [{ cron: '30 2 * 3 +0L', timeZone: 'Europe/Berlin', dst: { gap: 'skip' } }, '9999-12-31T00:00Z', '1980-03-30T01:30:00.000Z'],
  ])('the previous of %j before %s', (input, before, expected) => {
    expect(previous(input, before)).toBe(expected);
  });

  it('instants that no clock shows have an answer, too', () => {
    const daily = timing({ cron: '0 0 * * *' });
    for (const farthest of [-8.64e15, Number.MIN_SAFE_INTEGER] as Instant[]) {
      expect(iso(nextOccurrence(daily, farthest))).toBe('1970-01-01T00:00:00.000Z');
      expect(previousOccurrence(daily, farthest)).toBeUndefined();
    }
    for (const farthest of [8.64e15, Number.MAX_SAFE_INTEGER] as Instant[]) {
      expect(nextOccurrence(daily, farthest)).toBeUndefined();
      expect(iso(previousOccurrence(daily, farthest))).toBe('9999-12-31T00:00:00.000Z');
    }
  });

  /** Each takes less than 0.1 s on a quiet machine; see docs/schedules.md. */
  it('"never" is found out within a moment', { timeout: 30_000 }, () => {
    const never: Timing[] = ['0 0 30 2 *', '* * * 31 2,4,6,9,11 *', '0 0 15W 2 +6', '* * 2 * 3 +0L', '30 2 29 2 +0L'].map((cron) => ({
      ...timing({ cron: '0 0 * * *' }),
      trigger: { kind: 'cron', cron },
      timeZone: 'Europe/Berlin',
      dst: { gap: 'skip', overlap: 'second' },
    }));
    const slowest = Math.max(
      ...never.flatMap((each) => [
        duration(() => nextOccurrence(each, at('2027-01-01T00:00Z'))),
        duration(() => nextOccurrence(each, at('5000-01-01T00:00Z'))),
        duration(() => previousOccurrence(each, LATEST)),
      ]),
    );
    expect(slowest).toBeLessThan(2_000);
  });
});

function duration(action: () => unknown): number {
  const start = performance.now();
  action();
  return performance.now() - start;
}
