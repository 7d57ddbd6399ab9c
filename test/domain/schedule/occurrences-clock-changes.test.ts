import { describe, expect, it } from 'vitest';
import type { Instant } from '../../../src/domain/ids.ts';
import { occurrencesAfter, occurrencesBefore } from '../../../src/domain/schedule/occurrences.ts';
import { parseTiming } from '../../../src/domain/schedule/parse-timing.ts';
import type { DstPolicy } from '../../../src/domain/schedule/timing.ts';

/** Written as the clock on the wall shows it, with the distance from UTC, because that is what people check. */
function shown(cron: string, timeZone: string, [from, until]: readonly [string, string], dst?: Partial<DstPolicy>): string[] {
  const timing = parseTiming({ cron, dst }, { timeZone });
  const [after, last] = [from, until].map((text) => Date.parse(text) as Instant) as [Instant, Instant];
  const ascending = [...occurrencesAfter(timing, after, last)];
  expect([...occurrencesBefore(timing, last, after)].reverse()).toEqual(ascending);
  const format = new Intl.DateTimeFormat('en-CA', {
    ...{ timeZone, timeZoneName: 'shortOffset', hourCycle: 'h23' },
    ...{ month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit' },
  });
  return ascending.map((at) => {
    const parts = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]));
    return `${parts.month}-${parts.day} ${parts.hour}:${parts.minute} ${parts.timeZoneName}`;
  });
}

describe('Europe/Berlin puts its clocks forward at 02:00 on 2026-03-29', () => {
  const days = ['2026-03-27T23:00Z', '2026-03-29T22:00Z'] as const;

  it('runs what is due within the gap at its end', () => {
    expect(shown('30 2 * * *', 'Europe/Berlin', days)).toEqual(['03-28 02:30 GMT+1', '03-29 03:00 GMT+2']);
  });
  it('or not on that day', () => {
    expect(shown('30 2 * * *', 'Europe/Berlin', days, { gap: 'skip' })).toEqual(['03-28 02:30 GMT+1']);
  });
  it('runs once for several times within the gap', () => {
    expect(shown('*/20 2 29 3 *', 'Europe/Berlin', days)).toEqual(['03-29 03:00 GMT+2']);
    expect(shown('*/20 2 29 3 *', 'Europe/Berlin', days, { gap: 'skip' })).toEqual([]);
  });
  it('runs once for a time within the gap and one at its end', () => {
    expect(shown('0 2,3 29 3 *', 'Europe/Berlin', days)).toEqual(['03-29 03:00 GMT+2']);
  });
  it.each(['run-after', 'skip'] as const)('goes on every half hour as if nothing had happened (%s)', (gap) => {
    expect(shown('*/30 * * * *', 'Europe/Berlin', ['2026-03-29T00:00Z', '2026-03-29T02:00Z'], { gap })).toEqual([
      '03-29 01:30 GMT+1',
      '03-29 03:00 GMT+2',
      '03-29 03:30 GMT+2',
      '03-29 04:00 GMT+2',
    ]);
  });
});

describe('Europe/Berlin puts its clocks back at 03:00 on 2026-10-25', () => {
  const days = ['2026-10-24T22:00Z', '2026-10-25T23:00Z'] as const;

  it.each([
    ['first', ['10-25 02:30 GMT+2']],
    ['second', ['10-25 02:30 GMT+1']],
    ['both', ['10-25 02:30 GMT+2', '10-25 02:30 GMT+1']],
  ] as const)('runs what is due in the repeated hour: %s', (overlap, expected) => {
    expect(shown('30 2 * * *', 'Europe/Berlin', days, { overlap })).toEqual(expected);
  });
  it('keeps the order of time when several times come twice', () => {
    expect(shown('0,30 2 * * *', 'Europe/Berlin', days, { overlap: 'both' })).toEqual([
      '10-25 02:00 GMT+2',
      '10-25 02:30 GMT+2',
      '10-25 02:00 GMT+1',
      '10-25 02:30 GMT+1',
    ]);
  });
  it.each(['first', 'second', 'both'] as const)('goes on every half hour, through both passes (%s)', (overlap) => {
    expect(shown('*/30 * * * *', 'Europe/Berlin', ['2026-10-24T23:30Z', '2026-10-25T02:00Z'], { overlap })).toEqual([
      '10-25 02:00 GMT+2',
      '10-25 02:30 GMT+2',
      '10-25 02:00 GMT+1',
      '10-25 02:30 GMT+1',
      '10-25 03:00 GMT+1',
    ]);
  });
});

it.each<[string, string, string, [string, string], Partial<DstPolicy>, string[]]>([
  ['New York, gap', '30 2 * * *', 'America/New_York', ['2026-03-08T05:00Z', '2026-03-09T04:00Z'], {}, ['03-08 03:00 GMT-4']],
  ['New York, overlap', '30 1 * * *', 'America/New_York', ['2026-11-01T04:00Z', '2026-11-02T05:00Z'], {}, ['11-01 01:30 GMT-4']],
  [
    'Lord Howe, gap of half an hour',
    '15 2 * * *',
    'Australia/Lord_Howe',
    ['2025-10-04T13:30Z', '2025-10-05T13:00Z'],
    {},
    ['10-05 02:30 GMT+11'],
  ],
  [
    'Lord Howe, overlap of half an hour',
    '45 1 * * *',
    'Australia/Lord_Howe',
    ['2026-04-04T13:00Z', '2026-04-05T13:30Z'],
    { overlap: 'both' },
    ['04-05 01:45 GMT+11', '04-05 01:45 GMT+10:30'],
  ],
  ['Sydney, gap in October', '30 2 * * *', 'Australia/Sydney', ['2025-10-04T14:00Z', '2025-10-05T13:00Z'], {}, ['10-05 03:00 GMT+11']],
  [
    'Apia, where 2011-12-30 did not exist',
    '0 12 * * *',
    'Pacific/Apia',
    ['2011-12-29T00:00Z', '2011-12-31T10:00Z'],
    {},
    ['12-29 12:00 GMT-10', '12-31 00:00 GMT+14', '12-31 12:00 GMT+14'],
  ],
  [
    'Apia, skipped',
    '0 12 * * *',
    'Pacific/Apia',
    ['2011-12-29T00:00Z', '2011-12-31T10:00Z'],
    { gap: 'skip' },
    ['12-29 12:00 GMT-10', '12-31 12:00 GMT+14'],
  ],
  ['Cairo, gap at midnight', '0 0 * * *', 'Africa/Cairo', ['2024-04-25T00:00Z', '2024-04-26T20:00Z'], {}, ['04-26 01:00 GMT+3']],
  [
    'Cairo, overlap over midnight',
    '30 23 * * *',
    'Africa/Cairo',
    ['2024-10-31T00:00Z', '2024-11-01T00:00Z'],
    { overlap: 'both' },
    ['10-31 23:30 GMT+3', '10-31 23:30 GMT+2'],
  ],
  [
    'Casablanca, back before Ramadan',
    '30 2 * * *',
    'Africa/Casablanca',
    ['2024-03-10T00:00Z', '2024-03-10T22:00Z'],
    {},
    ['03-10 02:30 GMT+1'],
  ],
  [
    'Casablanca, forward after it',
    '30 2 * * *',
    'Africa/Casablanca',
    ['2024-04-14T00:00Z', '2024-04-14T22:00Z'],
    {},
    ['04-14 03:00 GMT+1'],
  ],
  ['Troll, gap of two hours', '30 1 * * *', 'Antarctica/Troll', ['2026-03-28T12:00Z', '2026-03-29T12:00Z'], {}, ['03-29 03:00 GMT+2']],
  [
    'Kathmandu, quarters of an hour',
    '0 3 * * *',
    'Asia/Kathmandu',
    ['2026-05-01T00:00Z', '2026-05-02T00:00Z'],
    {},
    ['05-02 03:00 GMT+5:45'],
  ],
  ['Sao Paulo, gap at midnight', '0 0 * * *', 'America/Sao_Paulo', ['2018-11-03T12:00Z', '2018-11-04T12:00Z'], {}, ['11-04 01:00 GMT-2']],
])('%s', (_, cron, zone, range, dst, expected) => {
  expect(shown(cron, zone, range, dst)).toEqual(expected);
});
