/** The kit for people who plan calendars; its tests are its examples. */
import { describe, expect, it } from 'vitest';
import { InvalidCommandError, InvalidScheduleError } from '../../src/domain/errors.ts';
import { hashOfEvent } from '../../src/domain/hash-chain.ts';
import { scheduleEventBytes } from '../../src/domain/schedule/schedule-event.ts';
import { type PlayedSchedule, playSchedule } from '../../src/testing/index.ts';

const HOUR_MS = 3_600_000;
const nightly = { timing: { cron: '0 3 * * *' } };
const fates = ({ ledger }: PlayedSchedule) => ledger.map(({ dueAt, fate, rule }) => `${dueAt.slice(5, 16)} ${fate} ${rule}`);

describe('a schedule', () => {
  it('starts a run at each of its times', () => {
    const { ledger, runs } = playSchedule(nightly, { id: 'sync', from: '2026-11-22T12:00:00Z', until: '2026-11-24T12:00:00Z' });
    expect(ledger).toEqual([
      {
        dueAt: '2026-11-23T03:00:00Z',
        local: '2026-11-23 03:00:00',
        fate: 'started',
        rule: 'on-time',
        lateMs: 0,
        runId: 'sync-20261123t030000z',
      },
      {
        dueAt: '2026-11-24T03:00:00Z',
        local: '2026-11-24 03:00:00',
        fate: 'started',
        rule: 'on-time',
        lateMs: 0,
        runId: 'sync-20261124t030000z',
      },
    ]);
    expect(runs.map(({ startsAt }) => startsAt)).toEqual(['2026-11-23T03:00:00Z', '2026-11-24T03:00:00Z']);
  });

  it.each([
    ['spring', { from: '2026-03-27T12:00:00Z', until: '2026-03-30T12:00:00Z' }, ['28 02:30', '29 03:00', '30 02:30']],
    ['autumn', { from: '2026-10-23T12:00:00Z', until: '2026-10-26T12:00:00Z' }, ['24 02:30', '25 02:30', '26 02:30']],
  ])('runs once on the day in %s when the clocks change', (_, time, expected) => {
    const { ledger } = playSchedule({ timing: { cron: '30 2 * * *', timeZone: 'Europe/Berlin' } }, time);
    expect(ledger.map(({ local }) => local.slice(8, 16))).toEqual(expected);
    expect(new Set(ledger.map(({ fate }) => fate))).toEqual(new Set(['started']));
  });

  it('catches the latest one up after a short downtime, and misses what is too old', () => {
    const hourly = { timing: { cron: '0 * * * *' }, catchUp: { policy: 'latest', windowMs: 90 * 60_000 } };
    const played = playSchedule(hourly, {
      from: '2026-11-23T00:30:00Z',
      until: '2026-11-23T05:00:00Z',
      events: [{ at: '2026-11-23T01:30:00Z', do: 'down', until: '2026-11-23T04:10:00Z' }],
    });
    expect(fates(played)).toEqual([
      '11-23T01:00 started on-time',
      '11-23T02:00 missed window',
      '11-23T03:00 coalesced coalesce',
      '11-23T04:00 started catch-up',
      '11-23T05:00 started on-time',
    ]);
    expect(played.ledger[3]!.lateMs).toBe(600_000);
  });

  it('tells what was paused from what was missed', () => {
    const played = playSchedule(nightly, {
      from: '2026-11-20T12:00:00Z',
      until: '2026-11-25T12:00:00Z',
      events: [
        { at: '2026-11-20T13:00:00Z', do: 'pause', note: 'the graph moves' },
        { at: '2026-11-21T12:00:00Z', do: 'resume' },
        { at: '2026-11-22T12:00:00Z', do: 'pause-all' },
        { at: '2026-11-23T12:00:00Z', do: 'resume-all' },
        { at: '2026-11-23T23:00:00Z', do: 'down', until: '2026-11-24T23:00:00Z' },
      ],
    });
    expect(fates(played)).toEqual([
      '11-21T03:00 paused pause',
      '11-22T03:00 started on-time',
      '11-23T03:00 paused pause',
      '11-24T03:00 missed window',
      '11-25T03:00 started on-time',
    ]);
  });

  it.each<[string, string[]]>([
    ['skip', ['00:00–02:30 succeeded', '03:00–05:30 succeeded']],
    ['buffer-one', ['00:00–02:30 succeeded', '02:30–05:00 succeeded', '05:00–07:30 succeeded']],
    [
      'cancel-other',
      ['00:00–01:00 cancelled', '01:00–02:00 cancelled', '02:00–03:00 cancelled', '03:00–04:00 cancelled', '04:00–06:30 succeeded'],
    ],
    [
      'allow-all',
      ['00:00–02:30 succeeded', '01:00–03:30 succeeded', '02:00–04:30 succeeded', '03:00–05:30 succeeded', '04:00–06:30 succeeded'],
    ],
  ])('whose runs last longer than the time between them: %s', (overlap, expected) => {
    const hourly = { timing: { cron: '0 * * * *', endAt: '2026-11-23T04:00:00Z' }, overlap };
    const { runs, state } = playSchedule(hourly, {
      from: '2026-11-22T23:59:59Z',
      until: '2026-11-23T12:00:00Z',
      runs: () => 2.5 * HOUR_MS,
    });
    expect(runs.map(({ startsAt, endsAt, outcome }) => `${startsAt.slice(11, 16)}–${endsAt.slice(11, 16)} ${outcome}`)).toEqual(expected);
    expect(state.status).toBe('finished');
  });

  it('pauses itself when its runs fail', () => {
    const played = playSchedule(
      { ...nightly, pauseAfterFailures: 2 },
      { from: '2026-11-20T12:00:00Z', until: '2026-11-30T12:00:00Z', runs: () => ({ ms: 60_000, outcome: 'failed' }) },
    );
    expect(fates(played)).toEqual(['11-21T03:00 started on-time', '11-22T03:00 started on-time']);
    expect(played.state.pause).toMatchObject({ since: Date.parse('2026-11-22T03:01:00Z') });
  });

  it('is changed, triggered and deleted by commands, which wait while nobody is there', () => {
    const played = playSchedule(nightly, {
      from: '2026-11-20T12:00:00Z',
      until: '2026-11-25T12:00:00Z',
      events: [
        { at: '2026-11-20T13:00:00Z', do: 'trigger', key: 'by-hand' },
        { at: '2026-11-20T14:00:00Z', do: 'down', until: '2026-11-20T20:00:00Z' },
        { at: '2026-11-20T15:00:00Z', do: 'update', spec: { timing: { cron: '0 4 * * *' } } },
        { at: '2026-11-22T12:00:00Z', do: 'delete' },
      ],
    });
    expect(played.runs.map(({ runId }) => runId)).toEqual(['by-hand', 'schedule-20261121t040000z', 'schedule-20261122t040000z']);
    expect(played.history.map(({ type, at }) => [type.slice('almanac.schedule.'.length), new Date(at).toISOString().slice(5, 13)])).toEqual(
      [
        ['created', '11-20T12'],
        ['triggered', '11-20T13'],
        ['updated', '11-20T20'],
        ['decided', '11-21T04'],
        ['decided', '11-22T04'],
        ['deleted', '11-22T12'],
      ],
    );
  });

  it('writes a history whose chain holds', () => {
    const { history } = playSchedule(nightly, { from: '2026-11-20T12:00:00Z', until: '2026-11-25T12:00:00Z' });
    const hashes = history.map((event) => hashOfEvent(scheduleEventBytes(event)));
    expect(history.map(({ data }) => data.previous)).toEqual([null, ...hashes.slice(0, -1)]);
  });

  it('years of nobody being there are a stretch', () => {
    const { stretches, runs } = playSchedule(
      { timing: { everyMs: 1_000 } },
      {
        from: '2026-01-01T00:00:00Z',
        until: '2027-01-01T00:00:00Z',
        events: [{ at: '2026-01-01T00:00:00Z', do: 'down', until: '2027-01-01T00:00:00Z' }],
      },
    );
    expect(stretches).toMatchObject([{ from: '2026-01-01T00:00:01Z', fate: 'missed', rule: 'window' }, { fate: 'coalesced' }]);
    expect(runs).toHaveLength(1);
  });
});

describe('what cannot be', () => {
  const time = { from: '2026-01-01T00:00:00Z', until: '2026-02-01T00:00:00Z' };
  it('is refused as in production', () => {
    expect(() => playSchedule({ timing: { cron: '0 3 30 2 *' } }, time)).toThrow(InvalidScheduleError);
    expect(() => playSchedule({ timing: { cron: '0 3 * * *' }, overlapp: 'skip' }, time)).toThrow(InvalidCommandError);
    const afterwards = [
      { at: '2026-01-02T00:00:00Z', do: 'delete' },
      { at: '2026-01-03T00:00:00Z', do: 'pause' },
    ] as const;
    expect(() => playSchedule(nightly, { ...time, events: afterwards })).toThrow('there is no schedule schedule any more');
  });

  it.each([
    ['2026-01-01T00:00:00', 'is no instant'],
    ['soon', 'is no instant'],
    ['2026-03-01T00:00:00Z', 'would never happen'],
  ])('is said of a happening at %s', (at, problem) => {
    expect(() => playSchedule(nightly, { ...time, events: [{ at, do: 'pause' }] })).toThrow(problem);
  });

  it('is not played for ever', () => {
    expect(() => playSchedule({ timing: { everyMs: 1_000 } }, time)).toThrow('play a shorter time');
  });
});
