import { describe, expect, it } from 'vitest';
import { InvalidScheduleError } from '../../../src/domain/errors.ts';
import { parseTiming } from '../../../src/domain/schedule/parse-timing.ts';

const parse = (input: unknown, timeZone = 'Europe/Berlin') => parseTiming(input, { timeZone });
const daily = { cron: '0 3 * * *' };

it('fills in what is not said', () => {
  expect(parse(daily)).toEqual({
    trigger: { kind: 'cron', cron: '0 3 * * *' },
    timeZone: 'Europe/Berlin',
    dst: { gap: 'run-after', overlap: 'first' },
    exclusions: [],
    jitterMs: 0,
  });
});

it('takes all there is to say', () => {
  expect(
    parse({
      cron: ' 0  3 * * * ',
      timeZone: 'Asia/Kathmandu',
      dst: { gap: 'skip', overlap: 'both' },
      startAt: '2026-01-01T00:00:00Z',
      endAt: '2026-12-31T23:59:59+01:00',
      exclusions: ['2026-12-25', '2026-12-31/2027-01-01'],
      jitterMs: 60_000,
    }),
  ).toEqual({
    trigger: { kind: 'cron', cron: '0 3 * * *' },
    timeZone: 'Asia/Kathmandu',
    dst: { gap: 'skip', overlap: 'both' },
    startAt: Date.UTC(2026, 0, 1),
    endAt: Date.UTC(2026, 11, 31, 22, 59, 59),
    exclusions: ['2026-12-25', '2026-12-31/2027-01-01'],
    jitterMs: 60_000,
  });
});

it.each([
  [{ everyMs: 90_000 }, { kind: 'interval', everyMs: 90_000, anchor: 0 }],
  [
    { everyMs: 90_000, startAt: '1970-01-01T00:00:07Z' },
    { kind: 'interval', everyMs: 90_000, anchor: 7_000 },
  ],
  [
    { everyMs: 90_000, anchor: '1970-01-01T00:00:09Z', startAt: '1970-01-01T00:00:07Z' },
    { kind: 'interval', everyMs: 90_000, anchor: 9_000 },
  ],
  [{ at: '2026-11-23T03:00:00.250+01:00' }, { kind: 'once', at: Date.UTC(2026, 10, 23, 2, 0, 0, 250) }],
  [{ cron: '@daily' }, { kind: 'cron', cron: '@daily' }],
  [{ cron: '*/10 0 3 * * 1-5' }, { kind: 'cron', cron: '*/10 0 3 * * 1-5' }],
])('understands %j', (input, trigger) => {
  expect(parse(input).trigger).toEqual(trigger);
});

it.each([
  'UTC',
  'Etc/UTC',
  'GMT',
  'Europe/Kyiv',
  'Europe/Kiev',
  'Asia/Calcutta',
  'US/Eastern',
  'Etc/GMT-2',
  'America/Argentina/Buenos_Aires',
])('takes %s for a time zone', (timeZone) => {
  expect(parse({ ...daily, timeZone }).timeZone).toBe(timeZone);
});

describe('says what to do about', () => {
  it.each<[unknown, RegExp]>([
    [{}, /exactly one of cron, everyMs and at; here are none/],
    [{ ...daily, everyMs: 5_000 }, /here are cron and everyMs/],
    [{ ...daily, anchor: '2026-01-01T00:00:00Z' }, /anchor belongs to everyMs/],
    [{ ...daily, timezone: 'UTC' }, /timezone/],
    [{ cron: '0 3 * *' }, /4 fields.*write minute, hour/],
    [{ cron: '0 0 3 * * * 2026' }, /7 fields.*write minute, hour/],
    [{ cron: '' }, /write minute, hour/],
    [{ cron: '61 * * * *' }, /61.*write minute, hour/],
    [{ cron: '0 25 * * *' }, /25.*write minute, hour/],
    [{ cron: '0 0 32 * *' }, /write minute, hour/],
    [{ cron: '5/15 * * * *' }, /stepping.*write minute, hour/],
    [{ cron: '0 3 * * mox' }, /write minute, hour/],
    [{ cron: '@reboot' }, /@reboot.*write minute, hour/],
    [{ cron: '2026-01-01T00:00:00Z' }, /write minute, hour/],
    [{ cron: `${'1,'.repeat(200)}1 * * * *` }, /at most 256 characters/],
    [{ cron: 7 }, /text like "0 3 \* \* \*"/],
    [{ cron: '0 0 30 2 *' }, /never due between 1970.* and 9999/],
    [{ cron: '0 0 31 2,4,6,9,11 *' }, /never due/],
    [{ cron: '0 0 15W 2 +6' }, /never due/],
    [{ ...daily, startAt: '2026-01-01T04:00:00Z', endAt: '2026-01-01T05:00:00Z' }, /never due between 2026-01-01T04.* and 2026-01-01T05/],
    [{ cron: '30 2 * 3 +0L', startAt: '2026-01-01T00:00:00Z', dst: { gap: 'skip' } }, /never due.* in Europe\/Berlin with gap "skip"/],
    [{ ...daily, timeZone: 'Mars/Olympus' }, /"Mars\/Olympus" is not a time zone: use UTC or a name/],
    [{ ...daily, timeZone: 'local' }, /is not a time zone/],
    [{ ...daily, timeZone: 'EST' }, /"EST" is an abbreviation or an old name: write America\//],
    [{ ...daily, timeZone: 'PST8PDT' }, /write America\/Los_Angeles/],
    [{ ...daily, timeZone: 'Japan' }, /write Asia\/Tokyo/],
    [{ ...daily, timeZone: '+02:00' }, /is an offset/],
    [{ ...daily, timeZone: 'Europe/Berlin'.repeat(9) }, /at most 64/],
    [{ ...daily, timeZone: 2 }, /text like "Europe\/Berlin"/],
    [{ everyMs: 999 }, /at least 1000/],
    [{ everyMs: -60_000 }, /at least 1000/],
    [{ everyMs: 1_500.5 }, /whole number of milliseconds/],
    [{ everyMs: Number.POSITIVE_INFINITY }, /whole number/],
    [{ everyMs: '60000' }, /whole number/],
    [{ everyMs: 4e14, anchor: '2026-01-01T00:00:00Z', startAt: '2027-01-01T00:00:00Z' }, /never due.*shorter interval or other bounds/],
    [{ at: '10000-01-01T00:00:00Z' }, /years 1970 to 9999/],
    [{ at: '+010000-01-01T00:00:00Z' }, /years 1970 to 9999/],
    [{ at: '1969-12-31T23:59:59Z' }, /years 1970 to 9999/],
    [{ at: '9999-12-31T23:59:59-05:00' }, /years 1970 to 9999/],
    [{ at: '2026-02-30T00:00:00Z' }, /ISO 8601/],
    [{ at: '2026-01-01T00:00:00' }, /with a zone/],
    [{ at: 'tomorrow' }, /ISO 8601/],
    [{ at: 1_767_225_600_000 }, /text like/],
    [{ at: '2026-01-01T00:00:00Z', endAt: '2025-01-01T00:00:00Z' }, /at 2026.* is not between/],
    [{ at: '2026-12-24T23:30:00Z', exclusions: ['2026-12-25'] }, /excluded day of Europe\/Berlin/],
    [{ ...daily, startAt: '2026-02-01T00:00:00Z', endAt: '2026-01-01T00:00:00Z' }, /endAt 2026-01-01.* is before startAt 2026-02-01/],
    [{ ...daily, dst: { gap: 'run' } }, /"run-after" or "skip"/],
    [{ ...daily, dst: { overlap: 'twice' } }, /"first", "second" or "both"/],
    [{ ...daily, exclusions: ['2026-02-30'] }, /2026-02-30.*no calendar has/],
    [{ ...daily, exclusions: ['2026-12-26/2026-12-24'] }, /ends before it begins/],
    [{ ...daily, exclusions: ['25.12.2026'] }, /is not a day like 2026-12-25/],
    [{ ...daily, exclusions: '2026-12-25' }, /list of days/],
    [{ ...daily, exclusions: [20_261_225] }, /text like "2026-12-25"/],
    [{ ...daily, exclusions: Array(1_001).fill('2026-12-25') }, /at most 1000 entries/],
    [{ ...daily, jitterMs: -1 }, /not be negative/],
    [{ ...daily, jitterMs: 0.5 }, /whole number/],
    [{ ...daily, jitterMs: 86_400_001 }, /a day/],
    [{ ...daily, jitterMs: 86_400_000 }, /due again after 86400000 ms/],
    [{ cron: '0,20 9-17 * * *', jitterMs: 1_200_000 }, /due again after 1200000 ms/],
    [{ cron: '50 23 * * *', jitterMs: 86_400_000 }, /due again after 86400000 ms/],
    [{ cron: '5 0,23 * * *', jitterMs: 3_600_000 }, /due again after 3600000 ms/],
    [{ everyMs: 60_000, jitterMs: 60_000 }, /due again after 60000 ms/],
    [null, /object/],
    ['0 3 * * *', /object/],
    [[], /object/],
  ])('%j', (input, message) => {
    expect(() => parse(input)).toThrow(InvalidScheduleError);
    expect(() => parse(input)).toThrow(message);
  });

  it('all mistakes at once', () => {
    expect(() => parse({ cron: 'x', timeZone: 'y', jitterMs: -1 })).toThrow(/1 field,[\s\S]*time zone[\s\S]*negative/);
  });
});

it.each([
  [{ ...daily, jitterMs: 86_399_999 }],
  [{ cron: '0,20 9-17 * * *', jitterMs: 1_199_999 }],
  [{ everyMs: 60_000, jitterMs: 59_999 }],
  [{ at: '2026-01-01T00:00:00Z', jitterMs: 86_400_000 }],
])('jitter that fits: %j', (input) => {
  expect(parse(input).jitterMs).toBe(input.jitterMs);
});
