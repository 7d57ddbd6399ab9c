import { expect, it } from 'vitest';
import { natsScheduleLog } from '../../src/adapters/nats/schedule-log.ts';
import { jobTypeId, type ScheduleId, scheduleId } from '../../src/domain/ids.ts';
import { parseTiming } from '../../src/domain/schedule/parse-timing.ts';
import { type Schedule, Scheduler } from '../../src/runtime/scheduler.ts';
import { type Client, clientOn } from '../support/host-on.ts';
import { useNatsServer } from '../support/nats-server.ts';
import { Sightings, sightingLog } from '../support/sightings.ts';
import { tcpProxy } from '../support/tcp-proxy.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const server = useNatsServer();
let schedules = 0;
const newSchedule = (cron = '0 3 * * *'): Schedule => {
  const id = `schedule-${++schedules}`;
  return { id: scheduleId(id), jobType: jobTypeId(id), timing: parseTiming({ cron }, { timeZone: 'UTC' }) };
};
function schedulerOn(client: Client, clock: VirtualClock, ...all: Schedule[]) {
  const seen = new Sightings();
  const ledger = natsScheduleLog(client.publisher, client.manager, '/almanac/test');
  const scheduler = new Scheduler({ schedules: all, ledger, commands: client.commands, clock, log: sightingLog(seen) });
  return { scheduler, seen, stop: () => scheduler.stop() };
}
interface Entry {
  readonly dueAt: string;
  readonly runId: string;
  readonly lateMs: number;
}
/** What is recorded, oldest first. */
async function ledgerOf(client: Client, id: ScheduleId): Promise<Entry[]> {
  const entries: Entry[] = [];
  for (let seq = 1; ; ) {
    const next = await client.manager.direct.getMessage('EVENTS', { seq, next_by_subj: `evt.schedule.${id}` });
    if (next === null) return entries;
    entries.push(next.json<{ data: Entry }>().data);
    seq = next.seq + 1;
  }
}
const due = (entries: readonly Entry[]) => entries.map(({ dueAt }) => dueAt.slice(0, 16));
const expectLedger = (client: Client, { id }: Schedule) => expect.poll(async () => due(await ledgerOf(client, id)));
async function commandsOf(client: Client, { id }: Schedule): Promise<number> {
  const { state } = await client.manager.streams.info('COMMANDS', { subjects_filter: `cmd.${id}.>` });
  return state.subjects?.[`cmd.${id}.start.normal`] ?? 0;
}

it('starts a run at each due time, names it after it, and records it', async () => {
  await using client = await clientOn(server);
  const clock = new VirtualClock('2026-11-22T12:00:00Z');
  const schedule = newSchedule();
  const { scheduler, stop } = schedulerOn(client, clock, schedule);
  await scheduler.start();
  clock.advanceTo('2026-11-23T02:59:59.999Z');
  expect(clock.nextAlarm).toBe('2026-11-23T03:00:00.000Z');
  for (const day of ['23', '24']) {
    clock.advanceTo(`2026-11-${day}T03:00:00Z`);
    await expect.poll(() => clock.nextAlarm).toBe(`2026-11-${Number(day) + 1}T03:00:00.000Z`);
  }
  expect(await ledgerOf(client, schedule.id)).toMatchObject([
    { dueAt: '2026-11-23T03:00:00.000Z', runId: `${schedule.id}-20261123t030000z`, lateMs: 0 },
    { dueAt: '2026-11-24T03:00:00.000Z', runId: `${schedule.id}-20261124t030000z`, lateMs: 0 },
  ]);
  expect(await commandsOf(client, schedule)).toBe(2);
  stop();
});

it('two replicas start one run and record it once', async () => {
  await using one = await clientOn(server);
  await using other = await clientOn(server);
  const schedule = newSchedule();
  const replicas = [one, other].map((client) => {
    const clock = new VirtualClock('2026-11-23T02:00:00Z');
    return { clock, ...schedulerOn(client, clock, schedule) };
  });
  for (const { scheduler } of replicas) await scheduler.start();
  for (const { clock } of replicas) clock.advanceTo('2026-11-23T03:00:00Z');
  for (const { clock } of replicas) await expect.poll(() => clock.nextAlarm).toBe('2026-11-24T03:00:00.000Z');
  expect(due(await ledgerOf(one, schedule.id))).toEqual(['2026-11-23T03:00']);
  expect(await commandsOf(one, schedule)).toBe(1);
  for (const { stop } of replicas) stop();
});

/** A schedule that was started once, the day before the test. */
async function startedYesterday(client: Client, cron?: string): Promise<Schedule> {
  const schedule = newSchedule(cron);
  const clock = new VirtualClock('2026-11-22T02:59:00Z');
  const { scheduler, stop } = schedulerOn(client, clock, schedule);
  await scheduler.start();
  clock.advanceTo('2026-11-22T03:00:00Z');
  await expect.poll(() => clock.nextAlarm).not.toBe('2026-11-22T03:00:00.000Z');
  await expectLedger(client, schedule).toEqual(['2026-11-22T03:00']);
  stop();
  return schedule;
}

it.each([
  [
    'an occurrence missed within the grace is started at the next start, once',
    '2026-11-23T03:04:00Z',
    ['2026-11-22T03:00', '2026-11-23T03:00'],
  ],
  ['an occurrence missed for longer than the grace is not', '2026-11-23T03:06:00Z', ['2026-11-22T03:00']],
])('%s', async (_, now, expected) => {
  await using client = await clientOn(server);
  const schedule = await startedYesterday(client);
  for (let starts = 0; starts < 2; starts++) {
    const clock = new VirtualClock(now);
    const { scheduler, stop } = schedulerOn(client, clock, schedule);
    await scheduler.start();
    expect(clock.nextAlarm).toBe('2026-11-24T03:00:00.000Z');
    stop();
  }
  expect(due(await ledgerOf(client, schedule.id))).toEqual(expected);
});

it('of several missed ones the latest is started', async () => {
  await using client = await clientOn(server);
  const schedule = await startedYesterday(client, '0,1,2 3 * * *');
  const { scheduler, stop } = schedulerOn(client, new VirtualClock('2026-11-23T03:02:30Z'), schedule);
  await scheduler.start();
  expect(due(await ledgerOf(client, schedule.id))).toEqual(['2026-11-22T03:00', '2026-11-23T03:02']);
  stop();
});

it.each([
  ['by days, past the grace', '2026-11-26T05:00:00Z', []],
  ['by days, to a moment after a due time', '2026-11-26T03:02:00Z', ['2026-11-26T03:00']],
  ['by an hour, past the grace', '2026-11-23T03:30:00Z', []],
])('a clock that jumps %s starts no more than after a restart', async (_, to, expected) => {
  await using client = await clientOn(server);
  const schedule = newSchedule();
  const clock = new VirtualClock('2026-11-23T02:50:00Z');
  const { scheduler, stop } = schedulerOn(client, clock, schedule);
  await scheduler.start();
  clock.jumpTo(to);
  const next = to.startsWith('2026-11-23') ? '2026-11-24T03:00:00.000Z' : '2026-11-27T03:00:00.000Z';
  await expect.poll(() => clock.nextAlarm).toBe(next);
  expect(due(await ledgerOf(client, schedule.id))).toEqual(expected);
  expect(await commandsOf(client, schedule)).toBe(expected.length);
  stop();
});

it('a clock that is set back does not start a run again', async () => {
  await using client = await clientOn(server);
  const schedule = newSchedule();
  const clock = new VirtualClock('2026-11-23T02:50:00Z');
  const { scheduler, stop } = schedulerOn(client, clock, schedule);
  await scheduler.start();
  clock.advanceTo('2026-11-23T03:00:10Z');
  await expect.poll(() => clock.nextAlarm).toBe('2026-11-24T03:00:00.000Z');
  clock.jumpTo('2026-11-23T02:30:00Z');
  clock.advanceTo('2026-11-23T04:00:00Z');
  expect(clock.nextAlarm).toBe('2026-11-24T03:00:00.000Z');
  expect(due(await ledgerOf(client, schedule.id))).toEqual(['2026-11-23T03:00']);
  stop();
});

it('an occurrence that is due while NATS is away is started when it is back', async () => {
  await using proxy = await tcpProxy(server);
  await using client = await clientOn(proxy);
  await using onlooker = await clientOn(server);
  const schedule = newSchedule();
  const clock = new VirtualClock('2026-11-23T02:59:00Z');
  const { scheduler, stop } = schedulerOn(client, clock, schedule);
  await scheduler.start();
  proxy.refuse();
  clock.advanceTo('2026-11-23T03:00:00Z');
  proxy.heal();
  await expectLedger(onlooker, schedule).toEqual(['2026-11-23T03:00']);
  stop();
});
