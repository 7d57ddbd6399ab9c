import { expect, it } from 'vitest';
import { CorruptEventError } from '../../../src/domain/errors.ts';
import { instant, jobTypeId, runId, scheduleId } from '../../../src/domain/ids.ts';
import { changeSchedule } from '../../../src/domain/schedule/change.ts';
import { DEFAULT_CATCH_UP, type ScheduleState } from '../../../src/domain/schedule/schedule.ts';
import { parseScheduleEvent, type ScheduleEvent, scheduleEventBytes } from '../../../src/domain/schedule/schedule-event.ts';
import type { Timing, Trigger } from '../../../src/domain/schedule/timing.ts';

const at = (text: string) => instant(Date.parse(text));
const occurrence = { dueAt: at('2026-11-23T03:00:00Z'), runId: runId('s-20261123t030000z') };
const timing: Timing = {
  trigger: { kind: 'cron', cron: '0 3 * * *' },
  timeZone: 'Europe/Berlin',
  dst: { gap: 'run-after', overlap: 'first' },
  exclusions: ['2026-12-25'],
  jitterMs: 0,
};
const bare: ScheduleState = {
  id: scheduleId('s'),
  spec: {
    jobType: jobTypeId('job'),
    timing,
    input: { since: 1, dueAt: 2 },
    lane: 'normal',
    catchUp: DEFAULT_CATCH_UP,
    overlap: 'skip',
    pauseAfterFailures: 0,
  },
  revision: 1,
  owner: 'operator',
  status: 'active',
  decidedUntil: occurrence.dueAt,
  waiting: [],
  running: [],
  failures: 0,
};
const eventOf = (state: ScheduleState, data: Partial<ScheduleEvent['data']> = {}): ScheduleEvent => ({
  id: 'e',
  source: '/almanac/test',
  type: 'almanac.schedule.decided',
  at: at('2026-11-23T03:00:00.004Z'),
  data: { entries: [], stretches: [], effects: [], state, previous: null, ...data },
});
const withTiming = (more: Partial<Timing>): ScheduleState => ({ ...bare, spec: { ...bare.spec, timing: { ...timing, ...more } } });
const triggers: Trigger[] = [
  { kind: 'interval', everyMs: 60_000, anchor: at('1970-01-01T00:00:00Z') },
  { kind: 'once', at: at('2026-11-24T00:00:00Z') },
];

it.each<[string, ScheduleEvent]>([
  ['nothing but what must be there', eventOf(bare)],
  ...triggers.map((trigger): [string, ScheduleEvent] => [trigger.kind, eventOf(withTiming({ trigger }))]),
  ['bounds', eventOf(withTiming({ startAt: at('1970-01-01T00:00:00Z'), endAt: at('2027-01-01T00:00:00Z') }))],
  [
    'everything',
    eventOf(
      {
        ...bare,
        spec: { ...bare.spec, runId: runId('one'), description: 'nightly' },
        status: 'paused',
        pause: { since: at('2026-11-23T03:00:00Z'), actor: { who: 'operator', why: 'a move' }, note: 'until Monday' },
        paused: { since: at('2026-11-21T00:00:00Z'), until: at('2026-11-22T00:00:00Z') },
        notBefore: at('2026-11-23T03:00:01Z'),
        waiting: [{ ...occurrence, triggered: true }],
        running: [occurrence],
        failures: 2,
      },
      {
        actor: { who: 'operator' },
        command: 7,
        entries: [{ dueAt: occurrence.dueAt, fate: 'started', rule: 'on-time', lateMs: 4, runId: occurrence.runId }],
        stretches: [
          { from: at('2026-11-01T03:00:00Z'), to: at('2026-11-22T03:00:00Z'), fate: 'missed', rule: 'window', because: runId('r') },
        ],
        effects: [
          { type: 'start', occurrence },
          { type: 'cancel', runId: runId('r') },
        ],
        previous: 'hash',
      },
    ),
  ],
])('what is written is read again: %s', (_, event) => {
  expect(parseScheduleEvent(scheduleEventBytes(event))).toEqual(event);
});

it.each(['', 'not JSON', '{}', '{"specversion":"1.0"}'])('what somebody else wrote is told apart: %j', (text) => {
  expect(() => parseScheduleEvent(Buffer.from(text))).toThrow(CorruptEventError);
});

it('runs of a job type that the schedule no longer starts are in nobody’s way', () => {
  const facts = {
    now: at('2026-11-23T04:00:00Z'),
    ended: new Map(),
    suspensions: [],
    id: bare.id,
    timeZone: 'UTC',
    owner: 'operator' as const,
  };
  const update = (spec: object) =>
    changeSchedule({ ...bare, running: [occurrence] }, { do: 'update', spec }, { ...facts, triggeredRun: runId('t') })!.state.running;
  expect(update({ jobType: jobTypeId('other') })).toEqual([]);
  expect(update({ overlap: 'allow-all' })).toEqual([occurrence]);
});
