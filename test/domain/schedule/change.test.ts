import { expect, it } from 'vitest';
import { scheduledRunId, scheduleId } from '../../../src/domain/ids.ts';
import { changeSchedule } from '../../../src/domain/schedule/change.ts';
import { at } from '../../support/schedule-story.ts';

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
