/** Schedules as people ask for them and about them, on a real server, with a scheduler whose clock the test moves. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ConflictError, InvalidCommandError, InvalidScheduleError, NotFoundError } from '../../src/domain/errors.ts';
import { jobTypeId, runId, scheduleId } from '../../src/domain/ids.ts';
import type { ScheduleChange } from '../../src/runtime/schedule-operations.ts';
import type { LedgerRow } from '../../src/runtime/schedule-view.ts';
import { clientOn, hostOn, type TestHost } from '../support/host-on.ts';
import { stepsJob } from '../support/jobs.ts';
import { startTestServer, type TestServer } from '../support/nats-server.ts';
import { scheduleOperationsOn } from '../support/schedule-operations-on.ts';
import { at } from '../support/schedule-story.ts';
import { schedulerOn, type TestScheduler } from '../support/scheduler-on.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const job = stepsJob('copy', ['copying'], async () => 'done', { input: z.object({ deep: z.boolean().optional() }) });
const REQUEST = { actor: { who: 'ada', why: 'test' }, timeoutMs: 20_000 };
const UNHEARD = { ...REQUEST, timeoutMs: 0 };
const daily: ScheduleChange = { jobType: jobTypeId('copy'), timing: { cron: '0 3 * * *' } };

let server: TestServer;
let clock: VirtualClock;
let scheduler: TestScheduler;
let host: TestHost;
let asking: ReturnType<typeof scheduleOperationsOn>;
let ids = 0;
const newId = () => scheduleId(`s${++ids}`);
beforeAll(async () => {
  server = await startTestServer();
  clock = new VirtualClock('2026-11-23T00:00:00Z');
  scheduler = await schedulerOn(server, clock);
  host = await hostOn(server, [job]);
  asking = scheduleOperationsOn(scheduler.client, [job], clock);
});
afterAll(async () => {
  await host?.stop();
  await scheduler?.stop();
  await server?.dispose();
});

describe('a change of a schedule', () => {
  it('is answered with what the schedule is then', async () => {
    const id = newId();
    expect(await asking.operations.create(id, daily, REQUEST)).toMatchObject({
      ...{
        id,
        status: 'active',
        timing: 'cron 0 3 * * * UTC',
        next: '2026-11-23T03:00:00.000Z',
        revision: 1,
        answered: true,
        warnings: [],
      },
    });
    const update: ScheduleChange = { timing: { timeZone: 'Europe/Berlin' }, catchUp: { policy: 'all', windowMs: 172_800_000 } };
    expect(await asking.operations.update(id, update, REQUEST)).toMatchObject({
      ...{ timing: 'cron 0 3 * * * Europe/Berlin', next: '2026-11-23T02:00:00.000Z', revision: 2 },
      warnings: [expect.stringContaining('catch-up all with overlap skip')],
    });
    expect(await asking.operations.pause(id, 'the vault is moved', REQUEST)).toMatchObject({
      ...{ status: 'paused', next: null, pause: { by: 'ada', note: 'the vault is moved' } },
    });
    expect(await asking.operations.list({ status: 'paused' })).toMatchObject([{ id, status: 'paused' }]);
    expect(await asking.operations.resume(id, REQUEST)).toMatchObject({ status: 'active', pause: null });
    expect(await asking.operations.delete(id, REQUEST)).toMatchObject({ status: 'deleted', next: null });
    expect((await asking.operations.list()).map((schedule) => schedule.id)).not.toContain(id);
    await expect(asking.operations.pause(id, undefined, REQUEST)).rejects.toThrow('any more: it was deleted');
  });

  it('created again as it is, is no other one; as another one it is a conflict', async () => {
    const id = newId();
    await asking.operations.create(id, daily, REQUEST);
    expect(await asking.operations.create(id, daily, REQUEST)).toMatchObject({ revision: 1, answered: true });
    const other = asking.operations.create(id, { ...daily, overlap: 'allow-all' }, REQUEST);
    await expect(other).rejects.toThrow(ConflictError);
    await asking.operations.delete(id, REQUEST);
  });

  it.each<[string, ScheduleChange, new (...args: never[]) => Error, string]>([
    ['of a job type that nobody knows', { ...daily, jobType: jobTypeId('ghost') }, NotFoundError, 'known are: copy'],
    ['with input that it does not take', { ...daily, input: { deep: 'very' } }, InvalidCommandError, 'deep'],
    ['in a lane that it does not have', { ...daily, lane: 'high' }, InvalidCommandError, 'has no lane high'],
    ['on a day that no calendar has', { ...daily, timing: { cron: '0 0 30 2 *' } }, InvalidScheduleError, 'never due'],
    ['without a time', { jobType: jobTypeId('copy') }, InvalidCommandError, 'needs a timing'],
    ['with a cap of nothing', { ...daily, catchUp: { cap: 0 } }, InvalidCommandError, 'cap'],
  ])('%s is refused before anything is sent', async (_, change, kind, message) => {
    const id = newId();
    const created = asking.operations.create(id, change, UNHEARD);
    await expect(created).rejects.toThrow(kind);
    await expect(created).rejects.toThrow(message);
    expect(await scheduler.client.manager.streams.getMessage('COMMANDS', { last_by_subj: `cmd.schedule.${id}` })).toBeNull();
  });

  it('that nobody carries out is stored', async () => {
    await using quiet = await startTestServer();
    await using client = await clientOn(quiet);
    const { operations } = scheduleOperationsOn(client, [job], clock);
    const id = newId();
    expect(await operations.create(id, daily, UNHEARD)).toEqual({ id, answered: false, warnings: [] });
    await using late = await schedulerOn(quiet, clock);
    await expect.poll(() => late.book.get(id)?.state.status).toBe('active');
  });
});

it('what became of occurrences: described, in the ledger, and why', async () => {
  const id = newId();
  await asking.operations.create(id, { ...daily, timing: { cron: '0 3 * * *', exclusions: ['2026-11-24'] } }, REQUEST);
  clock.advanceTo('2026-11-23T03:00:00Z');
  const first = runId(`${id}-20261123t030000z`);
  await host.followTo(job, first, () => {});
  await expect.poll(() => scheduler.book.get(id)?.state.decidedUntil).toBe(at('2026-11-23T03:00:00Z'));
  clock.advanceTo('2026-11-24T03:00:00Z');
  await expect.poll(() => scheduler.book.get(id)?.state.decidedUntil).toBe(at('2026-11-24T03:00:00Z'));

  expect(await asking.inspection.describe(id)).toMatchObject({
    counts: { started: 1, excluded: 1, stretches: 0 },
    last: { dueAt: '2026-11-24T03:00:00.000Z', fate: 'excluded', rule: 'calendar' },
    next10: expect.arrayContaining([{ dueAt: '2026-11-25T03:00:00.000Z', local: '2026-11-25 03:00:00 +00:00', notes: [] }]),
    spec: { timing: { cron: '0 3 * * *', exclusions: ['2026-11-24'] } },
  });
  const rows: LedgerRow[] = [];
  await asking.inspection.ledger(id, { until: at('2026-11-23T12:00:00Z') }, (row) => rows.push(row));
  expect(rows).toMatchObject([{ dueAt: '2026-11-23T03:00:00.000Z', fate: 'started', rule: 'on-time', runId: first }]);
  const { lines } = await asking.inspection.why(id, at('2026-11-23T03:00:00Z'));
  expect(lines[0]).toContain('revision 1');
  expect(lines.at(-1)).toContain(`run ${first}, which ended as succeeded`);
  await asking.operations.delete(id, REQUEST);
  expect((await asking.inspection.why(id, at('2026-11-23T03:00:00Z'))).lines[1]).toContain('started');
  await expect(asking.inspection.why(scheduleId('never-was'), at('2026-11-23T03:00:00Z'))).rejects.toThrow(NotFoundError);
  await expect(asking.inspection.ledger(scheduleId('never-was'), {}, () => {})).rejects.toThrow(NotFoundError);
});

it('a run that somebody asks for now has the given id, and its overlap policy', async () => {
  const id = newId();
  await asking.operations.create(id, daily, REQUEST);
  const key = runId('asked-for');
  expect(await asking.operations.trigger(id, { key }, REQUEST)).toMatchObject({ running: [key] });
  await host.followTo(job, key, () => {});
  await asking.operations.delete(id, REQUEST);
});

describe('a run at a time', () => {
  const later = (key: string, when: string, request = REQUEST, input: object = {}) =>
    asking.operations.startAt(at(when), { jobType: jobTypeId('copy'), runId: runId(key), input }, request);

  it('starts then, under its key; asked for again it is the same one, at another time a conflict', async () => {
    const when = new Date(clock.now() + 3_600_000).toISOString();
    expect(await later('put-off', when)).toMatchObject({ id: 'put-off', next: when, answered: true });
    expect(await later('put-off', when)).toMatchObject({ revision: 1 });
    await expect(later('put-off', '2030-01-01T00:00:00Z')).rejects.toThrow(ConflictError);
    clock.advanceTo(when);
    await host.followTo(job, 'put-off', () => {});
    await expect.poll(() => scheduler.book.get(scheduleId('put-off'))?.state.status).toBe('finished');
  });

  it('can be called off', async () => {
    const when = new Date(clock.now() + 3_600_000).toISOString();
    await later('unwanted', when);
    await asking.operations.delete(scheduleId('unwanted'), REQUEST);
    clock.advanceTo(when);
    expect(clock.nextAlarm === undefined || clock.nextAlarm > when).toBe(true);
    expect(await host.historyOf(job, 'unwanted')).toEqual([]);
  });

  it('is refused where there is such a run already', async () => {
    await host.start(job, 'here-already');
    await host.followTo(job, 'here-already', () => {});
    await expect(later('here-already', '2030-01-01T00:00:00Z')).rejects.toThrow('exists already: choose another key');
  });
});

it('an outlook uses how long runs really last', async () => {
  const id = newId();
  await asking.operations.create(id, daily, REQUEST);
  const now = asking.inspection.outlook({ from: at('2027-01-01T00:00:00Z'), until: at('2027-01-03T00:00:00Z') });
  const { schedules } = await now;
  expect(schedules.find(({ state }) => state.id === id)?.starts.map(({ runId }) => runId)).toEqual([
    `${id}-20270101t030000z`,
    `${id}-20270102t030000z`,
  ]);
  await asking.operations.delete(id, REQUEST);
});
