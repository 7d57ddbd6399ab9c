/** A deployment whose statechart has changed under a run, as its operator meets it on the command line. */
import { expect, it } from 'vitest';
import { installation } from '../support/almanac-process.ts';
import { hostOn } from '../support/host-on.ts';
import { stepsJob } from '../support/jobs.ts';
import { useNatsServer } from '../support/nats-server.ts';

const server = useNatsServer();

it('is asked before it is deployed, holds the run, and says so', async () => {
  await using home = await installation({ NATS_URL: server.url, ENABLE_MONITORING: 'false' });
  const another = stepsJob(
    'vault-sync',
    ['older'],
    (_, { signal }) => new Promise((_done, stop) => signal.addEventListener('abort', stop)),
  );
  const before = await hostOn(server, [another]);
  expect(await home.run('job', 'check')).toEqual({ code: 0, stdout: 'JOB TYPE  DEFINITION  RUNS  WITH  EXAMPLES\n', stderr: '' });
  await before.start(another, 'tonight');
  await before.seen.times('started');

  const asked = await home.run('job', 'check', '--job', 'vault-sync');
  expect(asked).toMatchObject({ code: 1, stdout: expect.stringMatching(/^JOB TYPE .*\nvault-sync +\S{16} +1 +held +tonight\n$/) });
  expect(asked.stderr).toMatch(
    /^almanac: run tonight is on definition \S{16} of vault-sync, this process has \S{16}\. .*`previous`.*`adopt`/,
  );
  expect(JSON.parse((await home.run('job', 'check', '-o', 'json')).stdout)).toMatchObject([
    { jobType: 'vault-sync', with: 'held', runs: 1 },
  ]);
  const describe = () => home.run('run', 'describe', 'tonight', '-o', 'json');
  expect(JSON.parse((await describe()).stdout)).toMatchObject({ state: 'older', held: null });

  await before.stop();
  await home.start('--no-first-sync');
  await expect
    .poll(async () => JSON.parse((await describe()).stdout).held, { timeout: 20_000 })
    .toMatchObject({ code: 'DEFINITION_CHANGED' });
  expect((await home.run('run', 'describe', 'tonight')).stdout).toMatch(
    /\nheld\n {2}code +DEFINITION_CHANGED\n {2}reason +run tonight is on definition/,
  );
  expect(JSON.parse((await home.run('replay', '--verify', '-o', 'json')).stdout)).toMatchObject({
    problems: [],
    notes: [expect.stringContaining('of vault-sync, which is not registered here')],
  });
}, 90_000);
