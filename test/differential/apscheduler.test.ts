import { expect, it } from 'vitest';
import { compareAll, isSparse, PATTERNS, TEN_YEARS, weeksOfChange, ZONES } from './apscheduler-comparison.ts';

/** `npm run test:apscheduler` does all of the ten years for all patterns. */
it('differs from APScheduler only where the clocks change, and there as docs/schedules.md says', { timeout: 300_000 }, async () => {
  expect([PATTERNS.length, ZONES.length]).toEqual([60, 12]);
  const tasks = ZONES.flatMap((zone) => [
    { zone, patterns: PATTERNS.filter(isSparse), windows: [TEN_YEARS] },
    { zone, patterns: PATTERNS.filter((pattern) => !isSparse(pattern)), windows: weeksOfChange(zone) },
  ]);
  const { unexplained, kinds, equal } = await compareAll(tasks);
  expect(unexplained).toEqual([]);
  expect({ equal, ...kinds }).toEqual({});
});
