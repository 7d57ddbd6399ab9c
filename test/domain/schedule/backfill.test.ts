/** Which occurrences of some time a person may have run later. */
import { expect, it } from 'vitest';
import { InvalidCommandError } from '../../../src/domain/errors.ts';
import { scheduleId } from '../../../src/domain/ids.ts';
import { BackfillPlan } from '../../../src/domain/schedule/backfill.ts';
import { at, ScheduleStory } from '../../support/schedule-story.ts';

const hourly = (spec: object = {}) =>
  new ScheduleStory('s', '2026-11-23T02:30:00Z', { jobType: 'job', timing: { cron: '0 * * * *' }, ...spec });

function slots({ events }: ScheduleStory, from: string, to: string) {
  const plan = new BackfillPlan(scheduleId('s'), at(from), at(to));
  for (const event of events) plan.hear(event);
  return plan
    .slots()
    .map(
      ({ dueAt, state, revision, entry }) => `${new Date(dueAt).toISOString().slice(11, 16)} ${state} ${revision} ${entry?.fate ?? '-'}`,
    );
}

it('those before there was the schedule, by its first pattern; not those to come', () => {
  const story = hourly().decide('2026-11-23T03:00:00Z');
  expect(slots(story, '2026-11-23T01:00:00Z', '2026-11-23T05:00:00Z')).toEqual([
    '01:00 fill 1 -',
    '02:00 fill 1 -',
    '03:00 ran 1 started',
    '04:00 undecided 1 -',
    '05:00 undecided 1 -',
  ]);
});

it('not one that waits for the run before it', () => {
  const story = hourly({ overlap: 'buffer-one' })
    .decide('2026-11-23T03:00:00Z')
    .decide('2026-11-23T04:00:00Z')
    .decide('2026-11-23T05:00:00Z');
  expect(slots(story, '2026-11-23T03:00:00Z', '2026-11-23T05:00:00Z')).toEqual([
    '03:00 ran 1 started',
    '04:00 waiting 1 -',
    '05:00 fill 1 skipped',
  ]);
});

it('each by the pattern of its time; at the instant of a change, by the one before', () => {
  const story = hourly()
    .decide('2026-11-23T03:00:30Z')
    .command('2026-11-23T04:00:00Z', { do: 'pause' })
    .command('2026-11-23T05:00:00Z', { do: 'update', spec: { timing: { cron: '0,30 * * * *' } } });
  expect(slots(story, '2026-11-23T03:00:00Z', '2026-11-23T05:45:00Z')).toEqual([
    '03:00 ran 1 started',
    '04:00 fill 1 skipped',
    '05:00 fill 1 paused',
    '05:30 undecided 2 -',
  ]);
});

it('not one on an excluded day; those of a stretch, which no entry names', () => {
  const story = hourly({ timing: { cron: '0 */12 * * *', exclusions: ['2026-11-25'] } }).decide('2026-12-23T12:10:00Z');
  expect(story.events.at(-1)!.data.stretches).toHaveLength(1);
  expect(slots(story, '2026-11-24T00:00:00Z', '2026-11-25T00:00:00Z')).toEqual(['00:00 fill 1 -', '12:00 fill 1 -', '00:00 excluded 1 -']);
});

it('what has no plan says why', () => {
  expect(() => slots(hourly(), '2026-11-24T00:00:00Z', '2026-11-23T00:00:00Z')).toThrow('ends before it begins');
  expect(() => slots(hourly(), '2026-01-01T00:00:00Z', '2026-03-01T00:00:00Z')).toThrow('more than 1000 occurrences');
  const deleted = hourly().command('2026-11-23T02:40:00Z', { do: 'delete' });
  expect(() => slots(deleted, '2026-11-23T00:00:00Z', '2026-11-24T00:00:00Z')).toThrow(InvalidCommandError);
});
