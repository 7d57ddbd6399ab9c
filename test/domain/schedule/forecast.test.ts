/** What would happen is found by the decisions of production, in bounded time. */
import { describe, expect, it } from 'vitest';
import { instant, jobTypeId } from '../../../src/domain/ids.ts';
import { findingsOf } from '../../../src/domain/schedule/findings.ts';
import { type Durations, forecast } from '../../../src/domain/schedule/forecast.ts';
import { at, ScheduleStory } from '../../support/schedule-story.ts';

const FROM = '2027-03-20T00:00:00Z';
const schedule = (id: string, timing: object, spec: object = {}) => new ScheduleStory(id, FROM, { jobType: 'job', timing, ...spec }).state!;
const lasting = (seconds: number) =>
  new Map([[jobTypeId('job'), { runs: 20, medianMs: 1_000, p95Ms: seconds * 1_000 } satisfies Durations]]);
const look = (
  states: ReturnType<typeof schedule>[],
  { seconds = 60, days = 7, ...more }: { seconds?: number; days?: number; mostOfOne?: number; mostOfAll?: number } = {},
) => forecast(states, lasting(seconds), { from: at(FROM), until: instant(at(FROM) + days * 86_400_000 - 1), ...more });
const risks = (outlook: ReturnType<typeof look>) => findingsOf(outlook).flatMap(({ risk, text }) => (risk ? [text] : []));

it('lists what would start, and finds nothing wrong with schedules that keep clear of each other', () => {
  const outlook = look([schedule('one', { cron: '0 2 * * *' }), schedule('two', { cron: '0 3 * * *' })]);
  expect(outlook.schedules.map(({ starts }) => starts.length)).toEqual([7, 7]);
  expect(outlook.schedules[0]!.starts[0]).toMatchObject({ runId: 'one-20270320t020000z', startsAt: at('2027-03-20T02:00:00Z') });
  expect(findingsOf(outlook)).toEqual([]);
});

describe('finds', () => {
  it('schedules that start in one minute, and runs of a job type that meet', () => {
    const outlook = look([schedule('one', { cron: '0 2 * * *' }), schedule('two', { cron: '30 0 2 * * *' })]);
    expect(risks(outlook)).toEqual([
      '7 times one and two have runs of job on at the same time',
      '7 times one, two start in the same minute',
    ]);
    expect(risks(look([schedule('one', { cron: '0 2 * * *' }), schedule('two', { cron: '30 2 * * *' })], { seconds: 3_600 }))).toHaveLength(
      1,
    );
  });

  it('a schedule that is due while its run may be on, and what its policy makes of it', () => {
    const often = (overlap: string) => look([schedule('often', { cron: '0 * * * *' }, { overlap })], { seconds: 5_400, days: 1 });
    expect(risks(often('skip'))).toEqual(['12 times often is due while its run before may not have ended: they are skipped']);
    expect(risks(often('buffer-all'))[0]).toContain('they wait, and pile up');
    expect(risks(often('allow-all'))).toEqual([]);
    expect(often('skip').schedules[0]!.fates).toEqual({ started: 12, skipped: 12 });
  });

  it('what happens on the day on which the clocks change, a collision among it', () => {
    const berlin = { timeZone: 'Europe/Berlin' };
    const states = [schedule('hygiene', { cron: '0 2 * * *', ...berlin }), schedule('sync', { cron: '0 3 * * *', ...berlin })];
    expect(risks(look(states, { days: 14 }))).toEqual([
      'once hygiene and sync have runs of job on at the same time',
      'once hygiene, sync start in the same minute',
      'in Europe/Berlin the clocks go from 02:00 to 03:00: hygiene is moved to the end of the gap',
    ]);
  });

  it.each([
    [{ overlap: 'first' }, []],
    [{ overlap: 'both' }, ['first', 'second']],
  ])('a time that comes twice, with %j', (dst, effects) => {
    const timing = { cron: '30 2 * * *', timeZone: 'Europe/Berlin', dst };
    const outlook = forecast([schedule('s', timing)], lasting(1), { from: at('2027-10-30T00:00:00Z'), until: at('2027-11-02T00:00:00Z') });
    expect(findingsOf(outlook).flatMap(({ risk, text }) => (risk ? [/at the (\w+) of/.exec(text)![1]] : []))).toEqual(effects);
  });

  it('one that is paused, and one of which nobody knows how long its runs last: worth a note', () => {
    const paused = new ScheduleStory('s', FROM, { jobType: 'job', timing: { cron: '0 2 * * *' } }).command(FROM, { do: 'pause' }).state!;
    const outlook = forecast([paused, schedule('new', { cron: '0 4 * * *' })], new Map(), {
      from: at(FROM),
      until: at('2027-03-22T00:00:00Z'),
    });
    expect(findingsOf(outlook).map(({ rule, risk }) => [rule, risk])).toEqual([
      ['paused', false],
      ['unmeasured', false],
    ]);
  });
});

it('a run that the next one cancels ends then, and counts as one that ended badly', () => {
  const often = (spec: object) =>
    look([schedule('often', { cron: '0 * * * *' }, { overlap: 'cancel-other', ...spec })], { seconds: 5_400, days: 1 });
  const { starts } = often({}).schedules[0]!;
  expect(starts).toHaveLength(24);
  expect(starts[0]!.endsAt).toBe(starts[1]!.startsAt);
  const pausing = often({ pauseAfterFailures: 3 });
  expect(pausing.schedules[0]).toMatchObject({ starts: [{}, {}, {}], pausesAt: at('2027-03-20T03:00:00Z') });
  expect(risks(pausing)).toContain('often pauses itself: 3 of its runs in a row are cancelled by the next one');
});

it('while all schedules are paused nothing would start, and it says why', () => {
  const standstill = { since: at(FROM), cause: 'operator', note: 'moving', actor: { who: 'ada' } } as const;
  const states = [schedule('one', { cron: '0 2 * * *' }), schedule('berlin', { cron: '30 2 * * *', timeZone: 'Europe/Berlin' })];
  const outlook = forecast(states, lasting(60), { from: at(FROM), until: at('2027-04-20T00:00:00Z'), standstill });
  expect(outlook.schedules.map(({ starts }) => starts)).toEqual([[], []]);
  expect(findingsOf(outlook)).toMatchObject([
    {
      rule: 'standstill',
      risk: false,
      schedules: ['one', 'berlin'],
      text: expect.stringContaining('since 2027-03-20T00:00:00.000Z by ada (moving)'),
    },
  ]);
});

it('a schedule that is due every second is looked at for a while, and says so', () => {
  const outlook = look([schedule('s', { cron: '* * * * * *' })], { seconds: 0.1, days: 30, mostOfOne: 500 });
  expect(outlook.schedules[0]).toMatchObject({ isCutShort: true, playedUntil: at(FROM) + 499_999 });
  expect(findingsOf(outlook)).toMatchObject([{ rule: 'cut-short', risk: false }]);
  const none = look([schedule('a', { cron: '* * * * *' }), schedule('b', { cron: '0 2 * * *' })], { mostOfAll: 100 });
  expect(none.schedules.map(({ isCutShort }) => isCutShort)).toEqual([true, true]);
});
