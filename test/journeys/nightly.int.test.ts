/** The night of the real program: by NIGHTLY it is one schedule or one for each job. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Ended, type Installation, installation, type Running } from '../support/almanac-process.ts';

const parsed = ({ stdout, stderr, code }: Ended) => {
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
};
let home: Installation;
let instance: Running;
const start = async (nightly: string) => {
  writeFileSync(join(home.folder.path, 'almanac.config.json'), JSON.stringify({ NIGHTLY: nightly, ENABLE_MONITORING: false }));
  instance = await home.start();
};
beforeAll(async () => {
  home = await installation();
  await start('staggered');
});
afterAll(() => home?.dispose());

const schedules = async () =>
  Object.fromEntries(
    (parsed(await home.run('schedule', 'list', '-o', 'json')) as { id: string; status: string }[]).map(({ id, status }) => [id, status]),
  );

it('staggered, each job has its schedule', async () => {
  expect(await schedules()).toEqual({ 'vault-sync': 'active' });
});

it('chained, there is one at two, and the others are off with a note that says why', async () => {
  await instance.kill('SIGTERM');
  await start('chained');
  expect(instance.stdout).toMatch(/schedule +nightly: 0 2 \* \* \* UTC, next \S+T02:00:00\.000Z/);
  expect(instance.stdout).toMatch(/schedule +vault-sync: 0 3 \* \* \* UTC, paused: NIGHTLY is chained: nightly runs it/);
  expect(await schedules()).toEqual({ nightly: 'active', 'vault-sync': 'paused' });
});

it('runs the jobs that there are', async () => {
  expect(parsed(await home.run('run', 'start', 'nightly', '--key', 'tonight', '--wait', '-o', 'json'))).toMatchObject({
    outcome: 'succeeded',
    input: { jobs: ['vault-sync'], stopOnFailure: false },
    output: { jobs: [{ jobType: 'vault-sync', runId: 'tonight-vault-sync', outcome: 'succeeded' }], notStarted: [] },
  });
});

it('goes on after kill -9, and its job has run once', async () => {
  parsed(await home.run('run', 'start', 'nightly', '--key', 'killed', '-o', 'json'));
  await instance.kill('SIGKILL');
  await start('chained');
  expect(parsed(await home.run('run', 'start', 'nightly', '--key', 'killed', '--wait', '-o', 'json'))).toMatchObject({
    outcome: 'succeeded',
  });
  const runs = parsed(await home.run('run', 'list', '--job', 'vault-sync', '-o', 'json')) as { id: string; outcome: string }[];
  expect(runs.filter(({ id }) => id.startsWith('killed'))).toMatchObject([{ id: 'killed-vault-sync', outcome: 'succeeded' }]);
});

it('staggered again, everything is as before', async () => {
  await instance.kill('SIGTERM');
  await start('staggered');
  expect(await schedules()).toEqual({ 'vault-sync': 'active' });
});

it('chained at a time of one’s own, it is paused while the night is staggered, and keeps its time', async () => {
  await instance.kill('SIGTERM');
  await start('chained');
  parsed(await home.run('schedule', 'update', 'nightly', '--cron', '30 1 * * *', '-o', 'json'));
  await instance.kill('SIGTERM');
  await start('staggered');
  expect(await schedules()).toEqual({ nightly: 'paused', 'vault-sync': 'active' });
  await instance.kill('SIGTERM');
  await start('chained');
  expect(instance.stdout).toMatch(/schedule +nightly: 30 1 \* \* \* UTC, next \S+T01:30:00\.000Z/);
});
