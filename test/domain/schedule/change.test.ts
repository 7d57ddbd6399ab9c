import { expect, it } from 'vitest';
import { ScheduleStory } from '../../support/schedule-story.ts';

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
