import { expect, it } from 'vitest';
import { publishConfirmed } from '../../src/adapters/nats/publish-confirmed.ts';
import { scheduleId } from '../../src/domain/ids.ts';
import { decideDue } from '../../src/domain/schedule/due.ts';
import { declareSchedules } from '../../src/runtime/declared-schedules.ts';
import { commandsLeft } from '../support/commands-left.ts';
import type { Client } from '../support/host-on.ts';
import { startTestServer } from '../support/nats-server.ts';
import { historyOf, ledgerOf, schedulerOn } from '../support/scheduler-on.ts';
import { tcpProxy } from '../support/tcp-proxy.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

let schedules = 0;
let sent = 0;
const newId = () => `schedule-${++schedules}`;
const command = (client: Client, id: string, body: object) =>
  publishConfirmed(client.publisher, `cmd.schedule.${id}`, Buffer.from(JSON.stringify(body)), { messageId: `${id} ${++sent}` });
const create = async (client: Client, id: string, timing: object = { cron: '0 3 * * *' }, more: object = {}) => {
  await command(client, id, { do: 'create', spec: { jobType: id, timing, ...more } });
  await expect.poll(async () => (await historyOf(client, id)).length).toBe(1);
};
async function startsOf(client: Client, id: string): Promise<number> {
  const { state } = await client.manager.streams.info('COMMANDS', { subjects_filter: `cmd.${id}.>` });
  return state.subjects?.[`cmd.${id}.start.normal`] ?? 0;
}

it('starts a run at each due time, names it after it, and records it', async () => {
  await using server = await startTestServer(); // schedules of other tests would be due, too
  const clock = new VirtualClock('2026-11-22T12:00:00Z');
  await using at = await schedulerOn(server, clock);
  const id = newId();
  await create(at.client, id);
  await expect.poll(() => clock.nextAlarm).toBe('2026-11-23T03:00:00.000Z');
  for (const day of ['23', '24']) {
    clock.advanceTo(`2026-11-${day}T03:00:00Z`);
    await expect.poll(() => clock.nextAlarm).toBe(`2026-11-${Number(day) + 1}T03:00:00.000Z`);
  }
  expect(await ledgerOf(at.client, id)).toEqual(['11-23T03:00 started on-time', '11-24T03:00 skipped overlap']);
  expect((await historyOf(at.client, id))[1]!.data.entries).toMatchObject([{ runId: `${id}-20261123t030000z`, lateMs: 0 }]);
  expect(await startsOf(at.client, id)).toBe(1);
});

it.each([2, 3, 10])('%i replicas start one run and record it once', async (replicas) => {
  await using server = await startTestServer(); // schedules of other tests would be due, too
  const all = await Promise.all(
    Array.from({ length: replicas }, async () => {
      const clock = new VirtualClock('2026-11-23T02:00:00Z');
      return { clock, ...(await schedulerOn(server, clock)) };
    }),
  );
  const id = newId();
  const [{ client }] = all as [(typeof all)[0]];
  await create(client, id, { cron: '0 3-5 * * *' }, { overlap: 'allow-all' });
  for (const hour of ['03', '04', '05']) {
    for (const { clock } of all) await expect.poll(() => clock.nextAlarm).toBe(`2026-11-23T${hour}:00:00.000Z`);
    for (const { clock } of all) clock.advanceTo(`2026-11-23T${hour}:00:00Z`);
  }
  for (const { clock } of all) await expect.poll(() => clock.nextAlarm).toBe('2026-11-24T03:00:00.000Z');
  expect(await ledgerOf(client, id)).toEqual(['11-23T03:00', '11-23T04:00', '11-23T05:00'].map((due) => `${due} started on-time`));
  expect(await startsOf(client, id)).toBe(3);
  await Promise.all(all.map(({ stop }) => stop()));
});

it('a replica that slept beyond the time in which the server knows repeats starts nothing twice', async () => {
  await using server = await startTestServer(); // schedules of other tests would be due, too
  const [early, late] = [new VirtualClock('2026-11-23T02:59:00Z'), new VirtualClock('2026-11-23T02:59:00Z')];
  await using one = await schedulerOn(server, early);
  await using other = await schedulerOn(server, late);
  const id = newId();
  await create(one.client, id);
  early.advanceTo('2026-11-23T03:00:00Z');
  await expect.poll(() => ledgerOf(one.client, id)).toEqual(['11-23T03:00 started on-time']);
  late.jumpTo('2026-11-23T03:04:00Z');
  await expect.poll(() => late.nextAlarm).toBe('2026-11-24T03:00:00.000Z');
  expect(await ledgerOf(other.client, id)).toEqual(['11-23T03:00 started on-time']);
  expect(await startsOf(one.client, id)).toBe(1);
});

it.each([
  ['within the window is started at the next start, once', '2026-11-23T03:04:00Z', '11-23T03:00 started catch-up'],
  ['for longer is missed', '2026-11-23T03:06:00Z', '11-23T03:00 missed window'],
])('an occurrence that nobody decided %s', async (_, now, expected) => {
  await using server = await startTestServer(); // schedules of other tests would be due, too
  const id = newId();
  {
    await using before = await schedulerOn(server, new VirtualClock('2026-11-22T12:00:00Z'));
    await create(before.client, id);
  }
  for (let starts = 0; starts < 2; starts++) {
    const clock = new VirtualClock(now);
    await using after = await schedulerOn(server, clock);
    await expect.poll(() => ledgerOf(after.client, id)).toEqual([expected]);
    await expect.poll(() => clock.nextAlarm).toBe('2026-11-24T03:00:00.000Z');
  }
});

it.each(['another process that is alive', 'whoever starts next'])(
  'what was decided by a process that died then is started by %s',
  async (who) => {
    await using server = await startTestServer(); // schedules of other tests would be due, too
    const clocks = [new VirtualClock('2026-11-23T02:00:00Z'), new VirtualClock('2026-11-23T02:00:00Z')] as const;
    await using dying = await schedulerOn(server, clocks[0]);
    await using witness = await schedulerOn(server, clocks[1]);
    const id = newId();
    await create(dying.client, id, { cron: '0 3-5 * * *' }, { overlap: 'allow-all' });
    for (const clock of clocks) await expect.poll(() => clock.nextAlarm).toBe('2026-11-23T03:00:00.000Z');
    if (who === 'whoever starts next') await witness.stop();
    dying.stopSending();
    clocks[0].advanceTo('2026-11-23T03:00:00Z');
    if (who === 'whoever starts next') {
      await expect.poll(() => ledgerOf(dying.client, id)).toEqual(['11-23T03:00 started on-time']);
      expect(await startsOf(dying.client, id)).toBe(0);
      await using next = await schedulerOn(server, new VirtualClock('2026-11-23T04:00:00Z')); // the next occurrence is due already
      await expect.poll(() => startsOf(next.client, id)).toBe(2);
    } else await expect.poll(() => startsOf(witness.client, id)).toBe(1);
  },
);

it('what was decided by a process that died then is started by one that has decided the same and was second', async () => {
  await using server = await startTestServer(); // schedules of other tests would be due, too
  const clocks = [new VirtualClock('2026-11-23T02:00:00Z'), new VirtualClock('2026-11-23T02:00:00Z')] as const;
  await using dying = await schedulerOn(server, clocks[0]);
  await using second = await schedulerOn(server, clocks[1]);
  const id = newId();
  await create(dying.client, id);
  for (const clock of clocks) await expect.poll(() => clock.nextAlarm).toBe('2026-11-23T03:00:00.000Z');
  await second.scheduler.stop(); // news reaches it late: it learns of the event when its own is refused
  dying.stopSending();
  clocks[0].advanceTo('2026-11-23T03:00:00Z');
  await expect.poll(() => ledgerOf(dying.client, id)).toEqual(['11-23T03:00 started on-time']);
  clocks[1].advanceTo('2026-11-23T03:00:00Z');
  await second.writer.write(scheduleId(id), (state, facts) => {
    const verdict = state && decideDue(state, facts);
    return verdict && { type: 'almanac.schedule.decided', ...verdict };
  });
  expect(await startsOf(second.client, id)).toBe(1);
});

it('a schedule that does not watch its runs remembers the last of them', async () => {
  await using server = await startTestServer(); // schedules of other tests would be due, too
  const clock = new VirtualClock('2026-11-23T00:00:00Z');
  await using at = await schedulerOn(server, clock);
  const id = newId();
  await create(at.client, id, { everyMs: 60_000, anchor: '2026-11-23T00:00:00Z' }, { overlap: 'allow-all' });
  for (let minute = 1; minute <= 3; minute++) {
    await expect.poll(() => clock.nextAlarm).toBe(`2026-11-23T00:${String(minute).padStart(2, '0')}:00.000Z`);
    clock.advanceTo(`2026-11-23T00:${String(minute).padStart(2, '0')}:00Z`);
  }
  await expect.poll(() => startsOf(at.client, id)).toBe(3);
  const { running } = at.book.get(scheduleId(id))!.state;
  expect(running).toMatchObject([{ runId: `${id}-20261123t000300z` }]);
});

it('a clock that is set back does not start a run again', async () => {
  await using server = await startTestServer(); // schedules of other tests would be due, too
  const clock = new VirtualClock('2026-11-23T02:50:00Z');
  await using at = await schedulerOn(server, clock);
  const id = newId();
  await create(at.client, id);
  await expect.poll(() => clock.nextAlarm).toBe('2026-11-23T03:00:00.000Z');
  clock.advanceTo('2026-11-23T03:00:00Z');
  await expect.poll(() => clock.nextAlarm).toBe('2026-11-24T03:00:00.000Z');
  clock.advanceTo('2026-11-23T03:00:10Z');
  clock.jumpTo('2026-11-23T02:30:00Z');
  clock.advanceTo('2026-11-23T04:00:00Z');
  expect(clock.nextAlarm).toBe('2026-11-24T03:00:00.000Z');
  expect(await ledgerOf(at.client, id)).toEqual(['11-23T03:00 started on-time']);
});

it('an occurrence that is due while NATS is away is started when it is back', async () => {
  await using server = await startTestServer(); // schedules of other tests would be due, too
  await using proxy = await tcpProxy(server);
  const clock = new VirtualClock('2026-11-23T02:59:00Z');
  await using at = await schedulerOn(proxy, clock);
  await using onlooker = await schedulerOn(server, new VirtualClock('2026-11-23T02:59:00Z'));
  const id = newId();
  await create(at.client, id);
  await expect.poll(() => clock.nextAlarm).toBe('2026-11-23T03:00:00.000Z');
  proxy.refuse();
  clock.advanceTo('2026-11-23T03:00:00Z');
  proxy.heal();
  await expect.poll(() => ledgerOf(onlooker.client, id)).toEqual(['11-23T03:00 started on-time']);
});

it('paused, nothing starts; resumed, the ledger says what was paused, and it goes on', async () => {
  await using server = await startTestServer(); // schedules of other tests would be due, too
  const clock = new VirtualClock('2026-11-23T00:30:00Z');
  await using at = await schedulerOn(server, clock);
  const id = newId();
  await create(at.client, id, { cron: '0 * * * *' });
  await expect.poll(() => clock.nextAlarm).toBe('2026-11-23T01:00:00.000Z');
  await command(at.client, id, { do: 'pause', note: 'the vault is moved', actor: { who: 'operator' } });
  await expect.poll(() => clock.nextAlarm).toBeUndefined();
  clock.advanceTo('2026-11-23T03:30:00Z');
  await command(at.client, id, { do: 'resume' });
  await expect.poll(() => ledgerOf(at.client, id)).toEqual(['01', '02', '03'].map((hour) => `11-23T${hour}:00 paused pause`));
  const history = await historyOf(at.client, id);
  expect(history.map(({ type }) => type.replace('almanac.schedule.', ''))).toEqual(['created', 'paused', 'resumed', 'decided']);
  expect(history[1]!.data).toMatchObject({ actor: { who: 'operator' }, state: { pause: { note: 'the vault is moved' } } });
  await expect.poll(() => clock.nextAlarm).toBe('2026-11-23T04:00:00.000Z');
  await expect.poll(() => commandsLeft(at.client.connection)).toMatchObject({ unacknowledged: 0 });
});

it('a schedule that starts one run is finished then', async () => {
  await using server = await startTestServer(); // schedules of other tests would be due, too
  const clock = new VirtualClock('2026-11-23T00:00:00Z');
  await using at = await schedulerOn(server, clock);
  const id = newId();
  await create(at.client, id, { at: '2026-11-23T07:00:00Z' }, { runId: 'once-and-for-all' });
  await expect.poll(() => clock.nextAlarm).toBe('2026-11-23T07:00:00.000Z');
  clock.jumpTo('2026-11-25T00:00:00Z'); // whoever was to do it was away
  await expect.poll(async () => (await historyOf(at.client, id)).at(-1)?.type).toBe('almanac.schedule.finished');
  expect((await historyOf(at.client, id)).at(-1)!.data.entries).toMatchObject([{ fate: 'started', runId: 'once-and-for-all' }]);
  expect(clock.nextAlarm).toBeUndefined();
});

it('a backfill starts what never ran, by the pattern of that time, on the low lane, and moves nothing else', async () => {
  await using server = await startTestServer();
  const clock = new VirtualClock('2026-11-23T00:30:00Z');
  await using at = await schedulerOn(server, clock);
  const id = newId();
  await create(at.client, id, { cron: '0 * * * *' });
  await expect.poll(() => clock.nextAlarm).toBe('2026-11-23T01:00:00.000Z');
  clock.advanceTo('2026-11-23T01:00:00Z'); // runs, and never ends
  await expect.poll(() => clock.nextAlarm).toBe('2026-11-23T02:00:00.000Z');
  clock.jumpTo('2026-11-23T04:30:00Z');
  await expect.poll(() => clock.nextAlarm).toBe('2026-11-23T05:00:00.000Z');
  await command(at.client, id, { do: 'update', spec: { timing: { cron: '30 * * * *' } } });
  await expect.poll(() => clock.nextAlarm).toBe('2026-11-23T05:30:00.000Z');
  const before = at.book.get(scheduleId(id))!.state;
  await command(at.client, id, { do: 'backfill', from: '2026-11-22T23:00:00Z', to: '2026-11-23T06:00:00Z', actor: { who: 'operator' } });
  await expect.poll(async () => (await historyOf(at.client, id)).at(-1)?.type).toBe('almanac.schedule.backfilled');
  const { entries, state } = (await historyOf(at.client, id)).at(-1)!.data;
  expect(entries.map(({ runId }) => runId)).toEqual(
    ['22T23', '23T00', '23T02', '23T03', '23T04'].map((hour) => `${id}-202611${hour.toLowerCase()}0000z`),
  );
  expect(state).toEqual(before);
  const { subjects } = (await at.client.manager.streams.info('COMMANDS', { subjects_filter: `cmd.${id}.>` })).state;
  expect(subjects).toEqual({ [`cmd.${id}.start.normal`]: 1, [`cmd.${id}.start.low`]: 5 });
});

it('what cannot be is a dead letter that says why', async () => {
  await using server = await startTestServer(); // schedules of other tests would be due, too
  await using at = await schedulerOn(server, new VirtualClock('2026-11-23T00:00:00Z'));
  const id = newId();
  const reason = async () => {
    const letter = await at.client.manager.streams.getMessage('DEAD_LETTERS', { last_by_subj: 'dlq.command.schedule' });
    return letter?.header.get('Almanac-Reason') ?? '';
  };
  await command(at.client, id, { do: 'pause' });
  await expect.poll(reason).toBe(`there is no schedule ${id}`);
  await command(at.client, id, { do: 'create', spec: { jobType: 'j', timing: { cron: '0 0 30 2 *' } } });
  await expect.poll(reason).toContain('never due');
  await create(at.client, id);
  await command(at.client, id, { do: 'create', spec: { jobType: 'other', timing: { cron: '0 3 * * *' } } });
  await expect.poll(reason).toContain('exists already');
  await command(at.client, id, { do: 'update', revision: 7, spec: { overlap: 'allow-all' } });
  await expect.poll(reason).toContain('it has revision 1');
});

it('what the code declares is created, changed and removed with it, and never overwrites a change of a person', async () => {
  await using server = await startTestServer(); // schedules of other tests would be due, too
  await using at = await schedulerOn(server, new VirtualClock('2026-11-23T00:00:00Z'));
  const [own, changed, gone] = [newId(), newId(), newId()];
  const spec = (cron: string) => ({ jobType: 'job' as never, timing: { cron } });
  const parts = { book: at.book, writer: at.writer, timeZone: 'UTC' };
  const declared = (cron: string, ids: string[], off?: string) =>
    ids.map((id) => ({ id: scheduleId(id), spec: spec(cron), ...(off && { off }) }));
  await declareSchedules(declared('0 3 * * *', [own, changed, gone]), parts);
  await declareSchedules(declared('0 3 * * *', [own, changed, gone]), parts); // again, nothing changes
  await command(at.client, changed, { do: 'update', spec: { timing: { cron: '0 5 * * *' } } });
  await expect.poll(async () => (await historyOf(at.client, changed)).length).toBe(2);
  await declareSchedules(declared('0 4 * * *', [own, changed], 'JOB_ENABLED is not true'), parts);
  const now = (id: string) => at.book.get(scheduleId(id))!.state;
  expect(now(own)).toMatchObject({ revision: 2, status: 'paused', pause: { note: 'JOB_ENABLED is not true' } });
  expect(now(changed)).toMatchObject({ spec: { timing: { trigger: { cron: '0 5 * * *' } } }, owner: 'operator' });
  expect(now(gone).status).toBe('deleted');
  await declareSchedules(declared('0 4 * * *', [own, changed]), parts);
  expect(now(own).status).toBe('active');
});
