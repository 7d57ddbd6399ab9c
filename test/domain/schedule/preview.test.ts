import { describe, expect, it } from 'vitest';
import { scheduleId } from '../../../src/domain/ids.ts';
import { contradictions } from '../../../src/domain/schedule/contradictions.ts';
import { parseTiming } from '../../../src/domain/schedule/parse-timing.ts';
import { preview } from '../../../src/domain/schedule/preview.ts';
import { changedTiming, writtenTiming } from '../../../src/domain/schedule/written-timing.ts';
import { at, ScheduleStory } from '../../support/schedule-story.ts';

const timing = (written: object) => parseTiming(written, { timeZone: 'Europe/Berlin' });
const shown = (written: object, after: string, count: number) =>
  preview(timing(written), at(after), count).map(
    ({ local, runs, notes }) => `${local} ${runs ? 'runs' : 'does not'}${notes.map((note) => `; ${note}`).join('')}`,
  );

describe('a preview', () => {
  it.each([
    ['run-after', '2027-03-28 03:00:00 +02:00 runs; moved: its local time does not exist on that day; the clocks go from 02:00 to 03:00'],
    ['skip', '2027-03-28 03:00:00 +02:00 does not; left out: its local time does not exist on that day; the clocks go from 02:00 to 03:00'],
  ])('shows what becomes of a time that does not exist, with gap %s', (gap, expected) => {
    const rows = shown({ cron: '30 2 * * *', dst: { gap } }, '2027-03-27T00:00:00Z', 3);
    expect(rows).toEqual(['2027-03-27 02:30:00 +01:00 runs', expected, '2027-03-29 02:30:00 +02:00 runs']);
  });

  it('shows what becomes of a time that comes twice', () => {
    const rows = shown({ cron: '30 2 * * *', dst: { overlap: 'second' } }, '2027-10-30T22:00:00Z', 2);
    expect(rows[0]).toMatch(/^2027-10-31 02:30:00 \+02:00 does not; left out/);
    expect(rows[1]).toMatch(/^2027-10-31 02:30:00 \+01:00 runs; its local time comes twice, this is the second/);
  });

  it('marks excluded days, and nothing of a pattern that follows elapsed time but the day itself', () => {
    expect(shown({ cron: '0 3 * * *', exclusions: ['2026-12-25'] }, '2026-12-24T12:00:00Z', 1)).toEqual([
      '2026-12-25 03:00:00 +01:00 does not; excluded',
    ]);
    expect(shown({ cron: '0 * * * *' }, '2027-03-28T00:30:00Z', 1)).toEqual([
      '2027-03-28 03:00:00 +02:00 runs; the clocks go from 02:00 to 03:00',
    ]);
  });

  it('knows the jitter of a schedule, and ends where nothing is due any more', () => {
    const [row] = preview(timing({ cron: '0 3 * * *', jitterMs: 60_000 }), at('2026-11-23T12:00:00Z'), 1, scheduleId('s'));
    expect(row!.startsAt - row!.dueAt).toBeGreaterThan(0);
    expect(preview(timing({ at: '2026-11-23T12:00:00Z' }), at('2026-11-23T00:00:00Z'), 10)).toHaveLength(1);
  });
});

describe('a change of the timing', () => {
  it.each([
    { cron: '0 3 * * *', dst: { gap: 'skip' }, exclusions: ['2026-12-25'], jitterMs: 1_000 },
    { everyMs: 60_000, anchor: '2026-11-23T00:00:07.000Z', startAt: '2026-11-23T00:00:00.000Z', endAt: '2027-11-23T00:00:00.000Z' },
    { at: '2026-11-23T00:00:00.000Z', timeZone: 'UTC' },
  ])('%j is read as it was written', (written) => {
    expect(timing(writtenTiming(timing(written)))).toEqual(timing(written));
  });

  it('keeps what it does not name, and a new pattern takes the place of the old one', () => {
    const before = timing({ everyMs: 60_000, anchor: '2026-11-23T00:00:07Z', exclusions: ['2026-12-25'], startAt: '2026-11-01T00:00:00Z' });
    const after = timing(changedTiming(before, { cron: '0 4 * * *', dst: { gap: 'skip' }, startAt: null }));
    expect(after).toEqual(timing({ cron: '0 4 * * *', dst: { gap: 'skip' }, exclusions: ['2026-12-25'] }));
    expect(timing(changedTiming(before, { timeZone: 'UTC' }))).toEqual({ ...before, timeZone: 'UTC' });
  });
});

it.each([
  ['catch-up all with overlap skip', { catchUp: { policy: 'all', windowMs: 86_400_000 } }],
  ['catch-up all with overlap cancel-other', { catchUp: { policy: 'all', windowMs: 86_400_000 }, overlap: 'cancel-other' }],
  ['no drip', { catchUp: { policy: 'all', windowMs: 86_400_000, dripMs: 0 }, overlap: 'allow-all' }],
  ['a cap of 1', { catchUp: { policy: 'all', windowMs: 86_400_000, cap: 1 }, overlap: 'buffer-all' }],
  ['choose a longer window', { catchUp: { policy: 'all' }, overlap: 'buffer-all' }],
  ['nothing is ever caught up', { catchUp: { windowMs: 500 } }],
  ['it never starts', { timing: { at: '2027-01-01T00:00:00Z' }, catchUp: { policy: 'none' } }],
  ['counts as one that ended badly', { overlap: 'cancel-other', pauseAfterFailures: 3 }],
  ['means nothing', { timing: { at: '2027-01-01T00:00:00Z' }, pauseAfterFailures: 3 }],
  ['only makes it late', { timing: { at: '2027-01-01T00:00:00Z', jitterMs: 5 } }],
  [undefined, {}],
  [undefined, { catchUp: { policy: 'all', windowMs: 7_200_000 }, overlap: 'buffer-all' }],
])('warns of %s', (warning, spec) => {
  const { state } = new ScheduleStory('s', '2026-11-23T00:00:00Z', { jobType: 'job', timing: { cron: '0 * * * *' }, ...spec });
  expect(contradictions(state!.spec)).toEqual(warning === undefined ? [] : [expect.stringContaining(warning)]);
});
