import { expect, it } from 'vitest';
import { scheduledRunId, scheduleId } from '../../../src/domain/ids.ts';
import { changeSchedule } from '../../../src/domain/schedule/change.ts';
import { at, ScheduleStory } from '../../support/schedule-story.ts';

const create = (id: string, more: object = {}) =>
  changeSchedule(
    undefined,
    { do: 'create', spec: { jobType: 'job' as never, timing: { cron: '0 3 * * *' }, ...more } },
    {
      ...{ id: scheduleId(id), now: at('2026-11-23T00:00:00Z'), ended: new Map(), suspensions: [] },
      ...{ timeZone: 'UTC', owner: 'operator', triggeredRun: 'triggered' as never },
    },
  );

it('an id has room for the names of its runs', () => {
  const longest = 'x'.repeat(108);
  expect(create(longest)?.state.id).toBe(longest);
  expect(scheduledRunId(scheduleId(longest), at('2026-11-23T03:00:00.123Z'))).toHaveLength(128);
  expect(() => create(`${longest}x`)).toThrow('its id has 109 characters; 108 are allowed');
  expect(create(`${longest}x`, { runId: 'once' })?.state.spec.runId).toBe('once');
});

it('created again by a clock that is behind, a schedule does not decide again what it decided before it was deleted', () => {
  const spec = { jobType: 'job', timing: { cron: '0 * * * *' } };
  const { events } = new ScheduleStory('hourly', '2026-11-23T00:30:00Z', spec)
    .decide('2026-11-23T01:00:00Z')
    .command('2026-11-23T01:10:00Z', { do: 'delete' })
    .command('2026-11-23T00:40:00Z', { do: 'create', spec })
    .decide('2026-11-23T01:00:00Z')
    .decide('2026-11-23T02:00:00Z');
  const fates = events.flatMap(({ data }) =>
    data.entries.map(({ dueAt, fate }) => `${new Date(dueAt).toISOString().slice(11, 16)} ${fate}`),
  );
  expect(fates).toEqual(['01:00 started', '02:00 started']);
});
