/** All schedules at once, from the command line. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { PauseFile } from '../../src/adapters/system/pause-file.ts';
import { type Ended, type Installation, installation } from '../support/almanac-process.ts';
import { startTestServer, type TestServer } from '../support/nats-server.ts';
import { ledgerOf, schedulerOn, type TestScheduler } from '../support/scheduler-on.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

vi.setConfig({ testTimeout: 90_000 }); // many processes of the program, one after the other
const vault = temporaryFolder();
const file = join(vault.path, '.aclarai_pause');
const clock = new VirtualClock('2036-11-23T00:30:00Z'); // nothing is due by the clock of the program, which asks what is next
let server: TestServer;
let scheduler: TestScheduler;
let home: Installation;
beforeAll(async () => {
  server = await startTestServer();
  scheduler = await schedulerOn(server, clock, new PauseFile({ vaultRoot: vault.path, automationPause: false }));
  home = await installation({ NATS_URL: server.url });
  parsed(await home.run('schedule', 'create', 'hourly', '--job', 'vault-sync', '--cron', '0 * * * *', '-o', 'json'));
});
afterAll(async () => {
  await home?.dispose();
  await scheduler?.stop();
  await server?.dispose();
  vault.remove();
});
const parsed = ({ code, stdout, stderr }: Ended) => {
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
};

it('are paused with a note that everybody sees, and go on', async () => {
  const paused = parsed(await home.run('pause', '--note', 'the vault is moved', '--why', 'ticket 7', '-o', 'json'));
  expect(paused).toEqual({
    status: 'paused',
    standstill: { since: '2036-11-23T00:30:00.000Z', cause: 'operator', by: expect.stringMatching(/^cli:/), note: 'the vault is moved' },
    answered: true,
  });
  expect(clock.nextAlarm).toBeUndefined();
  const told =
    /^almanac: all schedules are paused since 2036-11-23T00:30:00\.000Z by cli:\S+ \(the vault is moved\): almanac resume ends that\n$/;
  const list = await home.run('schedule', 'list');
  expect(list).toMatchObject({ code: 0, stderr: expect.stringMatching(told) });
  expect(list.stdout).toMatch(/\nhourly +vault-sync +active +- .* all schedules are paused\n$/);
  expect(await home.run('schedule', 'next', 'hourly')).toMatchObject({ code: 0, stderr: expect.stringMatching(told) });
  const described = JSON.parse((await home.run('schedule', 'describe', 'hourly', '-o', 'json')).stdout);
  expect(described).toMatchObject({ next: null, next10: [], standstill: { note: 'the vault is moved' } });
  expect(parsed(await home.run('pause', '--note', 'again', '-o', 'json')).standstill.note).toBe('the vault is moved');

  const simulate = (...more: string[]) => home.run('simulate', '--from', '2037-01-01', '--days', '1', '-o', 'json', ...more);
  expect(parsed(await simulate())).toMatchObject({ totalStarts: 0, findings: [{ rule: 'standstill', risk: false }] });
  expect(parsed(await simulate('--resumed'))).toMatchObject({ totalStarts: 24 });

  clock.advanceTo('2036-11-23T01:30:00Z');
  const why = (...more: string[]) => home.run('why', 'hourly', '--at', '2036-11-23T01:00:00Z', ...more);
  expect((await why()).stdout).toMatch(
    /\nundecided: all schedules are paused since 2036-11-23T00:30:00Z by cli:.* \(the vault is moved\): almanac resume/,
  );
  expect(parsed(await why('-o', 'json')).undecided).toMatchObject({
    kind: 'standstill',
    standstill: { since: '2036-11-23T00:30:00.000Z' },
  });
  expect(parsed(await home.run('resume', '-o', 'json'))).toEqual({ status: 'active', standstill: null, answered: true });
  await expect.poll(() => ledgerOf(scheduler.client, 'hourly')).toEqual(['11-23T01:00 paused pause']);
  expect(parsed(await why('-o', 'json'))).toMatchObject({
    decisions: [{ fate: 'paused', rule: 'pause' }],
    pauses: [{ of: 'all', since: '2036-11-23T00:30:00.000Z', until: '2036-11-23T01:30:00.000Z', note: 'the vault is moved' }],
  });
  expect(await home.run('resume')).toMatchObject({ code: 0, stdout: expect.stringMatching(/^status +active\n/), stderr: '' });
  expect((await home.run('schedule', 'list')).stderr).toBe('');
});

it('a pause file outlives the command to resume, which says so', async () => {
  await writeFile(file, '');
  await expect.poll(() => clock.nextAlarm, { timeout: 5_000 }).toBeUndefined();
  const resumed = await home.run('resume');
  expect(resumed).toMatchObject({ code: 4, stdout: expect.stringMatching(/^status +paused\n/) });
  expect(resumed.stderr).toContain(`by the file ${file}: remove it to resume\n`);
  await rm(file);
  await expect.poll(() => clock.nextAlarm, { timeout: 5_000 }).toBeDefined();
});

it('with nobody there, the command waits for somebody', async () => {
  await scheduler.stop();
  const paused = await home.run('pause', '--timeout', '0.2');
  expect(paused).toMatchObject({ code: 1, stderr: expect.stringMatching(/^almanac: no answer within 0\.2 s\. The command is stored/) });
  scheduler = await schedulerOn(server, clock);
  await expect.poll(() => clock.nextAlarm).toBeUndefined();
  expect(await home.run('pause', '--note', 'x'.repeat(2_000))).toMatchObject({ code: 2, stderr: expect.stringContaining('note') });
});
