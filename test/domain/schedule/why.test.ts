/** "Why did it not run?" has an answer for every instant, in plain words. */
import { describe, expect, it } from 'vitest';
import type { RunId } from '../../../src/domain/ids.ts';
import type { RecordedStandstill } from '../../../src/domain/schedule/standstill.ts';
import { Inquiry } from '../../../src/domain/schedule/why.ts';
import { durationText, type NamedRun, whyText } from '../../../src/domain/schedule/why-text.ts';
import { at, ScheduleStory } from '../../support/schedule-story.ts';

const CREATED = '2026-11-23T00:30:00Z';
const OPERATOR = { who: 'cli:ada', why: 'nightly' };
const hourly = (spec: object = {}, lastsMs?: number) =>
  new ScheduleStory(
    's',
    CREATED,
    { jobType: 'job', timing: { cron: '0 * * * *' }, overlap: 'allow-all', ...spec },
    { by: OPERATOR, lastsMs },
  );

function why({ events }: ScheduleStory, when: string, now: string, standstills: readonly RecordedStandstill[] = []) {
  const inquiry = new Inquiry(at(when));
  for (const event of events) inquiry.hear(event);
  return inquiry.answer(at(now), standstills);
}
function words(
  story: ScheduleStory,
  when: string,
  now: string,
  runs: Record<string, NamedRun> = {},
  standstills?: RecordedStandstill[],
): string {
  return whyText('s', why(story, when, now, standstills), new Map(Object.entries(runs) as [RunId, NamedRun][])).join('\n');
}

describe('what was decided', () => {
  it('on time: the revision, the rule, the process, the run and how it ended', () => {
    const story = hourly().decide('2026-11-23T01:00:00.400Z');
    const run = { state: 'done', outcome: 'succeeded', endedAt: '2026-11-23T01:00:09.000Z' };
    expect(words(story, '2026-11-23T01:00:00Z', '2026-11-23T02:00:00Z', { 's-20261123t010000z': run })).toBe(
      [
        'in force at 2026-11-23T01:00:00Z: revision 1, cron 0 * * * * UTC, created at 2026-11-23T00:30:00Z by cli:ada (nightly)',
        'started: it was started when it was due (rule on-time)',
        'decided at 2026-11-23T01:00:00.400Z, 400 ms after it was due, by /almanac/test',
        'run s-20261123t010000z, which ended as succeeded at 2026-11-23T01:00:09.000Z',
      ].join('\n'),
    );
  });

  it('skipped: the run that was in its way', () => {
    const story = hourly({ overlap: 'skip' }).decide('2026-11-23T01:00:00Z').decide('2026-11-23T02:00:00Z');
    const answer = words(story, '2026-11-23T02:00:00Z', '2026-11-23T02:30:00Z', {
      's-20261123t010000z': { state: 'working', outcome: null, endedAt: null },
    });
    expect(answer).toContain('skipped: the run before it had not ended, and the overlap policy is to skip (rule overlap)');
    expect(answer).toContain('in its way: run s-20261123t010000z, which is in state working');
  });

  it('coalesced: the run that was started for it', () => {
    const story = hourly({ catchUp: { windowMs: 7_200_000 } }).decide('2026-11-23T03:00:05Z');
    const answer = words(story, '2026-11-23T02:00:00Z', '2026-11-23T04:00:00Z');
    expect(answer).toContain('coalesced: several were found late');
    expect(answer).toContain('for it: run s-20261123t030000z');
  });

  it('by a stretch, which names nobody: with its ends', () => {
    const story = hourly().decide('2026-11-25T00:10:00Z');
    const answer = why(story, '2026-11-24T05:00:00Z', '2026-11-25T01:00:00Z');
    expect(answer.decisions).toMatchObject([
      { fate: 'missed', rule: 'window', stretch: { from: at('2026-11-23T01:00:00Z'), to: at('2026-11-25T00:00:00Z') } },
    ]);
    expect(why(story, '2026-11-24T05:30:00Z', '2026-11-25T01:00:00Z')).toMatchObject({ isOccurrence: false, decisions: [] });
  });

  it('by a stretch over an excluded day: the day is what kept it', () => {
    const story = hourly({ timing: { cron: '0 * * * *', exclusions: ['2026-11-24'] } }).decide('2026-11-25T00:10:00Z');
    expect(why(story, '2026-11-24T05:00:00Z', '2026-11-25T01:00:00Z').decisions).toMatchObject([{ fate: 'excluded', rule: 'calendar' }]);
  });

  it('under the revision that was in force, not under that of today', () => {
    const story = hourly()
      .decide('2026-11-23T01:00:00Z')
      .command('2026-11-23T01:30:00Z', { do: 'update', spec: { timing: { cron: '15 * * * *' } } })
      .decide('2026-11-23T02:15:00Z');
    expect(why(story, '2026-11-23T01:00:00Z', '2026-11-23T03:00:00Z').inForce?.state.revision).toBe(1);
    const later = why(story, '2026-11-23T02:00:00Z', '2026-11-23T03:00:00Z');
    expect(later).toMatchObject({ isOccurrence: false, inForce: { state: { revision: 2 } } });
    expect(later.nearest).toEqual({ before: at('2026-11-23T01:15:00Z'), after: at('2026-11-23T02:15:00Z') });
  });

  it('paused: by whom, until when, and why; a pause before or after has nothing to do with it', () => {
    const story = hourly()
      .command('2026-11-23T00:45:00Z', { do: 'pause', note: 'vault is moved', actor: { who: 'ada' } })
      .command('2026-11-23T02:30:00Z', { do: 'resume' })
      .decide('2026-11-23T02:30:00Z')
      .command('2026-11-23T02:40:00Z', { do: 'pause', note: 'again' })
      .command('2026-11-23T02:50:00Z', { do: 'resume' });
    expect(words(story, '2026-11-23T01:00:00Z', '2026-11-23T03:00:00Z').split('\n').slice(1)).toEqual([
      'paused: it was due during a pause, and too late when that was over (rule pause)',
      'decided at 2026-11-23T02:30:00Z, 1 h 30 min after it was due, by /almanac/test',
      'the schedule was paused then, from 2026-11-23T00:45:00Z to 2026-11-23T02:30:00Z by ada, note: vault is moved',
    ]);
    expect(why(story, '2026-11-23T01:30:00Z', '2026-11-23T03:00:00Z').pauses).toEqual([]); // nothing was due
  });

  it('started late, because all schedules were paused', () => {
    const story = hourly({ catchUp: { windowMs: 7_200_000 } }).decide('2026-11-23T01:40:00Z');
    const note = 'the file /vault/.aclarai_pause: remove it to resume';
    const past = (since: string, until: string): RecordedStandstill => ({ since: at(since), until: at(until), cause: 'file', note });
    const standstills = [
      past('2026-11-23T00:40:00Z', '2026-11-23T01:00:00Z'), // over when it was due
      past('2026-11-23T01:00:00Z', '2026-11-23T01:40:00Z'),
      past('2026-11-23T01:50:00Z', '2026-11-23T01:55:00Z'),
    ];
    const answer = words(story, '2026-11-23T01:00:00Z', '2026-11-23T03:00:00Z', {}, standstills);
    expect(answer).toContain('started: it was found late');
    expect(answer.match(/all schedules were paused.*/g)).toEqual([
      `all schedules were paused then, from 2026-11-23T01:00:00Z to 2026-11-23T01:40:00Z, note: ${note}`,
    ]);
  });
});

describe('what nobody has decided yet', () => {
  it.each<[string, (story: ScheduleStory) => ScheduleStory, string, string]>([
    ['is still to come', (story) => story, '2026-11-23T00:40:00Z', 'undecided: it is still to come'],
    ['is late', (story) => story, '2026-11-23T01:00:07Z', 'undecided for 7 s: no process that runs schedules is there'],
    [
      'waits for the end of a pause',
      (story) => story.command('2026-11-23T00:45:00Z', { do: 'pause', note: 'vault is moved', actor: { who: 'ada' } }),
      '2026-11-23T01:30:00Z',
      'undecided: the schedule is paused since 2026-11-23T00:45:00Z by ada, note: vault is moved',
    ],
    [
      'never comes, of one that is deleted',
      (story) => story.command('2026-11-23T00:45:00Z', { do: 'delete', actor: { who: 'ada' } }),
      '2026-11-23T01:30:00Z',
      's did not exist any more at 2026-11-23T01:00:00Z: it was deleted at 2026-11-23T00:45:00Z by ada',
    ],
  ])('%s', (_, tell, now, expected) => {
    expect(words(tell(hourly()), '2026-11-23T01:00:00Z', now)).toContain(expected);
  });

  it.each<[string, Partial<RecordedStandstill>, string]>([
    ['a person', { cause: 'operator', note: 'moving', actor: { who: 'ada' } }, 'by ada (moving): almanac resume ends that'],
    ['a file', { cause: 'file', note: 'the file /v/x: remove it to resume' }, 'by the file /v/x: remove it to resume'],
  ])('waits, because %s has paused all schedules', (_, who, expected) => {
    const standstill = { since: at('2026-11-23T00:50:00Z'), cause: 'file', ...who } as const;
    const answer = (when: string) => words(hourly(), when, '2026-11-23T01:30:00Z', {}, [standstill]).split('\n').slice(1);
    const undecided = [`undecided: all schedules are paused since 2026-11-23T00:50:00Z ${expected}; it is decided then`];
    expect(answer('2026-11-23T01:00:00Z')).toEqual(undecided);
    expect(answer('2026-11-23T02:00:00Z')).toEqual(undecided); // to come, and would not start
  });

  it('waits for two pauses, its own and that of all schedules', () => {
    const story = hourly().command('2026-11-23T00:45:00Z', { do: 'pause' });
    const answer = words(story, '2026-11-23T01:00:00Z', '2026-11-23T01:30:00Z', {}, [
      { since: at('2026-11-23T00:50:00Z'), cause: 'operator' },
    ]);
    expect(answer.split('\n').slice(1)).toEqual([
      'all schedules were paused then, from 2026-11-23T00:50:00Z on',
      'undecided: the schedule is paused since 2026-11-23T00:45:00Z; it is decided when the schedule is resumed',
    ]);
  });

  it('waits for the run before it', () => {
    const story = hourly({ overlap: 'buffer-one' }, 80 * 60_000)
      .decide('2026-11-23T01:00:00Z')
      .decide('2026-11-23T02:00:00Z');
    expect(words(story, '2026-11-23T02:00:00Z', '2026-11-23T02:10:00Z')).toContain(
      'undecided: it waits for the run before it, run s-20261123t010000z',
    );
    story.decide('2026-11-23T02:20:00Z');
    expect(words(story, '2026-11-23T02:00:00Z', '2026-11-23T02:30:00Z')).toContain('20 min after it was due');
  });

  it('waits for its turn among those that are caught up, or for its jitter', () => {
    const drip = hourly({ catchUp: { policy: 'all', windowMs: 86_400_000, dripMs: 60_000 } }).decide('2026-11-23T03:30:00Z');
    expect(words(drip, '2026-11-23T02:00:00Z', '2026-11-23T03:30:10Z')).toContain('the next at 2026-11-23T03:31:00Z');
    const jitter = hourly({ timing: { cron: '0 * * * *', jitterMs: 3_500_000 } });
    expect(why(jitter, '2026-11-23T01:00:00Z', '2026-11-23T01:00:00Z').open).toMatchObject({ kind: 'jitter' });
  });
});

describe('an instant', () => {
  it('before there was the schedule', () => {
    expect(words(hourly(), '2026-11-22T01:00:00Z', CREATED)).toBe(
      's did not exist at 2026-11-22T01:00:00Z: it was created at 2026-11-23T00:30:00Z by cli:ada (nightly)',
    );
  });

  it('between two occurrences names the nearest', () => {
    expect(words(hourly(), '2026-11-23T01:20:00Z', CREATED)).toContain(
      '2026-11-23T01:20:00Z is no occurrence of it: the one before is 2026-11-23T01:00:00Z, the one after 2026-11-23T02:00:00Z',
    );
  });

  it('between its deletion and its new creation', () => {
    const story = hourly()
      .command('2026-11-23T00:45:00Z', { do: 'delete' })
      .command('2026-11-23T01:30:00Z', { do: 'create', spec: { jobType: 'job', timing: { cron: '0 * * * *' } } })
      .decide('2026-11-23T02:00:00Z');
    expect(words(story, '2026-11-23T01:00:00Z', '2026-11-23T03:00:00Z')).toContain('nothing: a schedule that is deleted starts nothing');
    expect(words(story, '2026-11-23T02:00:00Z', '2026-11-23T03:00:00Z')).toContain('started:');
  });

  it('at which somebody asked for a run', () => {
    const story = hourly().command('2026-11-23T00:50:00.300Z', { do: 'trigger', actor: { who: 'ada' } });
    expect(words(story, '2026-11-23T00:50:00Z', '2026-11-23T00:55:00Z', { 's-1': null })).toContain(
      'somebody asked for a run at 2026-11-23T00:50:00.300Z by ada: run s-1, which has not begun',
    );
  });

  it('of a schedule that was to run once, in the past already when it was created', () => {
    const story = new ScheduleStory('s', CREATED, { jobType: 'job', timing: { at: '2026-11-22T00:00:00Z' } }).decide(
      '2026-11-23T00:30:01Z',
    );
    expect(words(story, '2026-11-22T00:00:00Z', '2026-11-24T00:00:00Z')).toContain('started: it was found late');
  });

  it('is told on the clocks of the zone, too', () => {
    const story = new ScheduleStory('s', CREATED, { jobType: 'job', timing: { cron: '0 3 * * *', timeZone: 'Europe/Berlin' } });
    expect(words(story, '2026-11-24T02:00:00Z', CREATED)).toContain('2026-11-24T02:00:00Z (2026-11-24 03:00:00 +01:00)');
  });
});

it.each([
  [12, '12 ms'],
  [61_000, '1 min 1 s'],
  [3_600_000, '1 h'],
  [90_061_000, '1 d 1 h'],
])('%i ms are shown as %s', (ms, text) => expect(durationText(ms)).toBe(text));
