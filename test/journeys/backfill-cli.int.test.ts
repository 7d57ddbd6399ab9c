/** What was missed is run later, from the command line: a plan first, and nothing without a yes. */
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { scheduleId } from '../../src/domain/ids.ts';
import { type Ended, type Installation, installation } from '../support/almanac-process.ts';
import { startTestServer, type TestServer } from '../support/nats-server.ts';
import { historyOf, schedulerOn, type TestScheduler } from '../support/scheduler-on.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

vi.setConfig({ testTimeout: 90_000 }); // many processes of the program, one after the other
let server: TestServer;
let scheduler: TestScheduler;
let home: Installation;
const clock = new VirtualClock('2026-11-20T00:00:00Z');
beforeAll(async () => {
  server = await startTestServer();
  scheduler = await schedulerOn(server, clock);
  home = await installation({ NATS_URL: server.url });
});
afterAll(async () => {
  await home?.dispose();
  await scheduler?.stop();
  await server?.dispose();
});
const SPAN = ['--from', '2026-11-20', '--to', '2026-11-24'];
const backfill = (id: string, ...more: string[]) => home.run('schedule', 'backfill', id, ...more);
const parsed = ({ code, stdout, stderr }: Ended) => {
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
};
const startsOf = async (job: string) =>
  (await scheduler.client.manager.streams.info('COMMANDS', { subjects_filter: `cmd.${job}.start.*` })).state.subjects ?? {};

it('shows which occurrences never ran, by the revision of that time, and starts them with --yes', async () => {
  const create = ['create', 'nightly', '--job', 'vault-sync', '--cron', '0 2 * * *', '--tz', 'Europe/Berlin', '--exclude', '2026-11-22'];
  parsed(await home.run('schedule', ...create, '-o', 'json'));
  clock.advanceTo('2026-11-20T01:00:00Z'); // runs
  await expect.poll(() => clock.nextAlarm).toBe('2026-11-21T01:00:00.000Z');
  clock.jumpTo('2026-11-22T12:00:00Z');
  await expect.poll(() => clock.nextAlarm).toBe('2026-11-23T01:00:00.000Z');
  parsed(await home.run('schedule', 'update', 'nightly', '--cron', '0 3 * * *', '-o', 'json'));
  clock.jumpTo('2026-11-23T12:00:00Z');
  await expect.poll(() => clock.nextAlarm).toBe('2026-11-24T02:00:00.000Z');
  const before = scheduler.book.get(scheduleId('nightly'))!.state;
  const events = (await historyOf(scheduler.client, 'nightly')).length;

  const shown = await backfill('nightly', ...SPAN, '--plan');
  expect(shown).toMatchObject({ code: 0, stderr: '' });
  expect(shown.stdout.split('\n').map((line) => line.trim().split(/ {2,}/))).toEqual([
    ['DUE', 'LOCAL', 'REVISION', 'SO FAR', 'BACKFILL', 'RUN'],
    ['2026-11-20T01:00:00.000Z', '2026-11-20 02:00:00 +01:00', '1', 'started (on-time)', 'has a run', 'nightly-20261120t010000z'],
    ['2026-11-21T01:00:00.000Z', '2026-11-21 02:00:00 +01:00', '1', 'missed (window)', 'to start', 'nightly-20261121t010000z'],
    ['2026-11-22T01:00:00.000Z', '2026-11-22 02:00:00 +01:00', '1', 'excluded (calendar)', 'excluded', 'nightly-20261122t010000z'],
    ['2026-11-23T02:00:00.000Z', '2026-11-23 03:00:00 +01:00', '2', 'missed (window)', 'to start', 'nightly-20261123t020000z'],
    ['2 runs to start: vault-sync, as revision 2 says, on lane normal; 1 has a run; 1 excluded.'],
    ['Nothing was done; --yes does it.'],
    [''],
  ]);
  expect(await backfill('nightly', ...SPAN)).toMatchObject({ code: 0, stdout: shown.stdout }); // there is nobody to be asked
  expect(parsed(await backfill('nightly', ...SPAN, '-o', 'json'))).toMatchObject({ done: false, counts: { fill: 2, ran: 1, excluded: 1 } });
  expect(await historyOf(scheduler.client, 'nightly')).toHaveLength(events);

  const done = parsed(await backfill('nightly', ...SPAN, '--yes', '--why', 'the disk was full', '-o', 'json'));
  expect(done).toMatchObject({ done: true, started: 2, counts: { ran: 3, excluded: 1 } });
  const last = (await historyOf(scheduler.client, 'nightly')).at(-1)!;
  expect(last).toMatchObject({ type: 'almanac.schedule.backfilled', data: { actor: { why: 'the disk was full' } } });
  expect(last.data.state).toEqual(before);
  expect(await startsOf('vault-sync')).toEqual({ 'cmd.vault-sync.start.normal': 1, 'cmd.vault-sync.start.low': 2 });

  const again = await backfill('nightly', ...SPAN, '--yes');
  expect(again.stdout).toContain('There is nothing to start.');
  expect(parsed(await home.run('why', 'nightly', '--at', '2026-11-21T01:00:00Z', '-o', 'json')).decisions).toMatchObject([
    { fate: 'missed' },
    { fate: 'backfilled', rule: 'operator' },
  ]);
});

it('what cannot be backfilled is refused before anything is sent', async () => {
  expect(await backfill('nobody-knows', ...SPAN)).toMatchObject({
    code: 3,
    stderr: expect.stringContaining('there is no schedule nobody-knows'),
  });
  parsed(await home.run('schedule', 'create', 'often', '--job', 'vault-sync', '--every', '10m', '-o', 'json'));
  expect(await backfill('often', '--from', '2026-11-24', '--to', '2026-11-20', '--yes')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('ends before it begins'),
  });
  expect(await backfill('often', '--from', '2026-01-01', '--to', '2026-11-20', '--yes')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('more than 1000 occurrences'),
  });
});
