import { expect, it } from 'vitest';
import type { Instant } from '../../../src/domain/ids.ts';
import { isExcluded } from '../../../src/domain/schedule/exclusions.ts';
import { isOccurrence } from '../../../src/domain/schedule/occurrences.ts';
import { parseTiming } from '../../../src/domain/schedule/parse-timing.ts';

const excludes = (exclusions: string[], timeZone: string, dueAt: string) =>
  isExcluded({ exclusions, timeZone }, Date.parse(dueAt) as Instant);

it('days are those of the zone', () => {
  expect(excludes(['2026-12-25'], 'Europe/Berlin', '2026-12-24T22:59:59Z')).toBe(false);
  expect(excludes(['2026-12-25'], 'Europe/Berlin', '2026-12-24T23:00:00Z')).toBe(true);
  expect(excludes(['2026-12-25'], 'Europe/Berlin', '2026-12-25T22:59:59Z')).toBe(true);
  expect(excludes(['2026-12-25'], 'Europe/Berlin', '2026-12-25T23:00:00Z')).toBe(false);
  expect(excludes(['2026-12-25'], 'Pacific/Kiritimati', '2026-12-24T10:00:00Z')).toBe(true);
});

it('ranges include both ends', () => {
  const range = ['2026-08-01', '2026-12-24/2027-01-02'];
  const days = ['2026-12-23', '2026-12-24', '2026-12-31', '2027-01-02', '2027-01-03'];
  expect(days.map((day) => excludes(range, 'UTC', `${day}T12:00:00Z`))).toEqual([false, true, true, true, false]);
});

it('an excluded occurrence is still an occurrence', () => {
  const timing = parseTiming({ cron: '0 3 * * *', exclusions: ['2026-12-25'] }, { timeZone: 'UTC' });
  const dueAt = Date.parse('2026-12-25T03:00:00Z') as Instant;
  expect([isOccurrence(timing, dueAt), isExcluded(timing, dueAt)]).toEqual([true, true]);
});
