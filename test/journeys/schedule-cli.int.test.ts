/** Schedules from the command line: a scheduler whose clock the test moves carries out what the program asks for. */
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { scheduleId } from '../../src/domain/ids.ts';
import { type Ended, type Installation, installation } from '../support/almanac-process.ts';
import { startTestServer, type TestServer } from '../support/nats-server.ts';
import { schedulerOn, type TestScheduler } from '../support/scheduler-on.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

vi.setConfig({ testTimeout: 90_000 }); // many processes of the program, one after the other
let server: TestServer;
let scheduler: TestScheduler;
let home: Installation;
const clock = new VirtualClock('2036-11-23T00:00:00Z'); // nothing is due by the clock of the program, which asks what is next
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
const schedule = (...args: string[]) => home.run('schedule', ...args);
const parsed = ({ code, stdout, stderr }: Ended) => {
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
};

it('is created, looked at, changed, paused, resumed and deleted', async () => {
  const create = ['create', 'nightly', '--job', 'vault-sync', '--cron', '0 3 * * *', '--tz', 'Europe/Berlin', '-o', 'json'];
  expect(parsed(await schedule(...create, '--description', 'at night', '--why', 'to see'))).toMatchObject({
    ...{ id: 'nightly', status: 'active', timing: 'cron 0 3 * * * Europe/Berlin', revision: 1, owner: 'operator', answered: true },
  });
  expect(await schedule(...create, '--overlap', 'allow-all')).toMatchObject({ code: 4, stderr: expect.stringContaining('exists already') });
  const update = await schedule(
    'update',
    'nightly',
    '--catch-up',
    'all',
    '--exclude',
    '2036-12-25',
    '2036-12-31',
    '--window',
    '2d',
    '-o',
    'json',
  );
  expect(update).toMatchObject({
    code: 0,
    stderr: expect.stringMatching(/^almanac: schedule nightly: warning: catch-up all with overlap skip/),
  });
  expect(JSON.parse(update.stdout)).toMatchObject({ revision: 2, timing: 'cron 0 3 * * * Europe/Berlin, not on 2036-12-25, 2036-12-31' });
  expect((await schedule('list')).stdout).toMatch(
    /^ID +JOB TYPE +STATUS +NEXT .*\nnightly +vault-sync +active +2036-11-23T02:00:00\.000Z +cron 0 3/,
  );

  const paused = await schedule('pause', 'nightly', 'nobody-knows', '--note', 'the vault is moved');
  expect(paused).toMatchObject({ code: 3, stderr: 'almanac: there is no schedule nobody-knows; see almanac schedule list\n' });
  expect(paused.stdout).toMatch(/\nnightly +vault-sync +paused +- .* yes\n$/);
  expect(await schedule('next', 'nightly', '-n', '1')).toMatchObject({
    code: 0,
    stderr: 'almanac: schedule nightly is paused (the vault is moved): it starts none of these as it is\n',
  });
  expect(parsed(await schedule('unpause', 'nightly', '-o', 'ndjson'))).toMatchObject({ status: 'active', pause: null });
  expect(parsed(await schedule('describe', 'nightly', '-o', 'json'))).toMatchObject({
    ...{ last: null, running: [], failures: 0 },
    spec: { catchUp: { policy: 'all', windowMs: 172_800_000 }, description: 'at night' },
  });
  expect((await schedule('describe', 'nightly')).stdout).toMatch(
    /\nnext10\n +1\. +2036-11-23T02:00:00\.000Z \(2036-11-23 03:00:00 \+01:00\)\n/,
  );
  expect(await schedule('delete', 'nightly')).toMatchObject({ code: 0, stdout: expect.stringMatching(/\nnightly .* deleted /) });
  expect(await schedule('describe', 'nightly')).toMatchObject({ code: 3, stderr: expect.stringContaining('any more: it was deleted') });
});

it('what cannot be is refused with 2, of a job type that nobody knows with 3', async () => {
  const create = (...more: string[]) => schedule('create', 'wrong', '--job', 'vault-sync', ...more);
  expect(await create('--cron', '0 0 30 2 *')).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^almanac: schedule wrong: .*never due/),
  });
  expect(await create('--cron', '0 3 * * *', '--input', '{"tiers":[9]}')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('tiers'),
  });
  expect(await create('--every', '10ms')).toMatchObject({ code: 2, stderr: expect.stringContaining('at least 1000') });
  expect(await schedule('create', 'wrong', '--job', 'ghost', '--every', '1h')).toMatchObject({ code: 3 });
});

it('the ledger, and why', async () => {
  parsed(await schedule('create', 'told', '--job', 'vault-sync', '--cron', '0 4 * * *', '-o', 'json'));
  for (const day of ['23', '24']) {
    clock.advanceTo(`2036-11-${day}T04:00:00Z`);
    await expect.poll(() => clock.nextAlarm).toBe(`2036-11-${Number(day) + 1}T04:00:00.000Z`);
  }
  expect((await schedule('ledger', 'told')).stdout).toMatch(
    /^DUE +FATE +RULE .*\n2036-11-23T04:00:00\.000Z +started +on-time +0 ms +told-20361123t040000z .*\n2036-11-24T04:00:00\.000Z +skipped +overlap .* told-20361123t040000z /,
  );
  expect(parsed(await schedule('ledger', 'told', '--since', '2036-11-24', '-o', 'json'))).toHaveLength(1);

  const { code, stdout } = await home.run('why', 'told', '--at', '2036-11-24T04:00:00Z');
  expect(code).toBe(0);
  expect(stdout).toMatch(
    /^in force at \S+: revision 1, cron 0 4 \* \* \* UTC, created at \S+ by cli:.*\nskipped: the run before it had not ended, .* \(rule overlap\)\ndecided at .*\nin its way: run told-20361123t040000z, which has not begun\n$/,
  );
  const before = parsed(await home.run('why', 'told', '--at', '2036-11-24T03:00:00Z', '-o', 'json'));
  expect(before).toMatchObject({ isOccurrence: false, nearest: { before: '2036-11-23T04:00:00.000Z', after: '2036-11-24T04:00:00.000Z' } });
  expect(await home.run('why', 'never-was', '--at', '2036-11-24')).toMatchObject({ code: 3 });
  parsed(await schedule('delete', 'told', '-o', 'ndjson'));
});

it('a run now, and one later, which can be called off', async () => {
  parsed(await schedule('create', 'base', '--job', 'vault-sync', '--cron', '0 5 * * *', '-o', 'json'));
  expect(parsed(await schedule('trigger', 'base', '--key', 'right-now', '-o', 'json'))).toMatchObject({
    runId: 'right-now',
    running: ['right-now'],
  });
  expect(await schedule('trigger', 'base', '--overlap', 'skip')).toMatchObject({
    code: 4,
    stderr: expect.stringContaining('right-now has not ended'),
  });
  const at = '2037-01-01T00:00:00.000Z';
  expect(parsed(await home.run('run', 'start', 'vault-sync', '--key', 'later', '--at', at, '-o', 'json'))).toEqual({
    ...{ id: 'later', jobType: 'vault-sync', schedule: 'later', at, status: 'active', answered: true },
    callOff: 'almanac schedule delete later',
  });
  expect(parsed(await schedule('list', '-o', 'json')).map(({ id }: { id: string }) => id)).toEqual(['base', 'later']);
  expect(await schedule('delete', 'later', 'base')).toMatchObject({ code: 0 });
});

it('what would happen: risks end with 1, and nothing is started', async () => {
  const simulate = (...more: string[]) => home.run('simulate', '--from', '2037-03-20', '--days', '14', ...more);
  expect(await simulate()).toMatchObject({ code: 0, stdout: expect.stringContaining('No risks.') });
  for (const [id, cron] of [
    ['hygiene', '0 2 * * *'],
    ['sync', '0 3 * * *'],
  ] as const)
    parsed(await schedule('create', id, '--job', 'vault-sync', '--cron', cron, '--tz', 'Europe/Berlin', '-o', 'json'));
  const table = await simulate('--limit', '3');
  expect(table).toMatchObject({ code: 1, stderr: '' });
  expect(table.stdout).toMatch(/\n2037-03-20T01:00:00\.000Z +2037-03-20 01:00:00 \+00:00 +hygiene +hygiene-20370320t010000z\n/);
  expect(table.stdout).toContain('… and 25 more');
  expect(table.stdout).toMatch(/risk {2}once hygiene, sync start in the same minute, first at 2037-03-29T01:00:00\.000Z/);
  const { code, stdout } = await simulate('-o', 'json');
  expect(code).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({
    totalStarts: 28,
    clockChanges: [{ at: '2037-03-29T01:00:00.000Z', timeZone: 'Europe/Berlin' }],
    findings: [{ rule: 'collision' }, { rule: 'clock-change', schedules: ['hygiene'] }, { rule: 'unmeasured' }, { rule: 'unmeasured' }],
  });
  parsed(await schedule('delete', 'hygiene', 'sync', '-o', 'json'));
});

it('with nobody there, a command waits for somebody, and the program says so', async () => {
  parsed(await schedule('create', 'alone', '--job', 'vault-sync', '--every', '1h', '-o', 'json'));
  await scheduler.stop();
  const paused = await schedule('pause', 'alone', '--timeout', '0.2');
  expect(paused).toMatchObject({ code: 1, stdout: expect.stringMatching(/\nalone .* no\n$/) });
  expect(paused.stderr).toMatch(/^almanac: schedule alone: no answer within 0\.2 s\. The command is stored/);
  expect((await schedule('pause', 'alone', '--timeout', '0')).code).toBe(0);
  scheduler = await schedulerOn(server, clock);
  await expect.poll(() => scheduler.book.get(scheduleId('alone'))?.state.status).toBe('paused');
});
