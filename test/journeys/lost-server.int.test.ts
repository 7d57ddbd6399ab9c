/** The server dies under the program, with it, or before it. */
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { expect, it, onTestFinished } from 'vitest';
import { openClient } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import { type RunId, runId } from '../../src/domain/ids.ts';
import { type Installation, installation, isAlive } from '../support/almanac-process.ts';
import { generateVault } from '../support/generate-vault.ts';
import { startTestServer } from '../support/nats-server.ts';

const FIRST_SYNC = runId('first-sync');
const VAULT = { files: 1_500, blocksPerFile: 5, seed: 'lost server' };

async function installationWithVault(env: Record<string, string> = {}): Promise<Installation> {
  const home = await installation({ ENABLE_MONITORING: 'false', ALMANAC_LEASE_SECONDS: '0.5', ...env });
  onTestFinished(() => home.dispose());
  generateVault(`${home.folder.path}/vault`, VAULT);
  return home;
}

const startHere = (home: Installation, ...args: string[]) => home.start('--vault', `${home.folder.path}/vault`, ...args);

async function client(settings: Record<string, string>) {
  const opened = await openClient(readConfig(settings));
  onTestFinished(() => opened.close());
  return opened.operations;
}

/** Resolves when the run has entered the state, perhaps a moment ago. */
async function entering(url: string, run: RunId, state: 'reconciling' | 'validatingReferences'): Promise<void> {
  const connection = await connect({ servers: url });
  const subject = `evt.run.*.${run}`;
  const isThere = ({ data: { to } }: { data: { to: string } }) => to === state || to === 'validatingReferences';
  try {
    const events = connection.subscribe(subject);
    await connection.flush();
    const last = await (await jetstreamManager(connection)).streams.getMessage('EVENTS', { last_by_subj: subject });
    if (last !== null && isThere(last.json())) return;
    for await (const message of events) if (isThere(message.json())) return;
  } finally {
    await connection.close();
  }
}

const natsUrl = (stdout: string) => /NATS +(\S+)/.exec(stdout)![1]!;

async function expectFirstSyncEnds(home: Installation) {
  const operations = await client({ ALMANAC_DATA: home.dataDir });
  const run = await operations.startRunAndWait({ jobType: 'vault-sync' as never, runId: FIRST_SYNC }, () => {});
  expect(run).toMatchObject({ outcome: 'succeeded', output: { blocks_new: VAULT.files * VAULT.blocksPerFile, errors: 0 } });
  expect(await operations.verify({})).toMatchObject({ runs: 1, problems: [] });
}

it('program and embedded server killed in the middle of a run: the next start on the folder finishes it', async () => {
  const home = await installationWithVault();
  const killed = home.spawn('start', '--vault', `${home.folder.path}/vault`);
  await killed.says('Almanac is running');
  await entering(natsUrl(killed.stdout), FIRST_SYNC, 'validatingReferences');
  const nats = (await home.natsPid())!;
  process.kill(killed.pid, 'SIGKILL');
  process.kill(nats, 'SIGKILL');
  await killed.ended;
  await expect.poll(() => isAlive(nats)).toBe(false);

  await startHere(home);
  await expectFirstSyncEnds(home);
});

it('the embedded server alone killed: the program says so and ends with 1, and the next start finishes the run', async () => {
  const home = await installationWithVault();
  const bereft = home.spawn('start', '--vault', `${home.folder.path}/vault`);
  await bereft.says('Almanac is running');
  await entering(natsUrl(bereft.stdout), FIRST_SYNC, 'reconciling');
  process.kill((await home.natsPid())!, 'SIGKILL');
  expect(await bereft.ended).toMatchObject({ code: 1, stderr: expect.stringContaining('the embedded NATS server ended') });

  await startHere(home);
  await expectFirstSyncEnds(home);
});

it('told to stop while its server is away in the middle of a run, the program ends, and another finishes the run', async () => {
  await using server = await startTestServer();
  const home = await installationWithVault({ NATS_URL: server.url });
  const stranded = home.spawn('start', '--vault', `${home.folder.path}/vault`);
  await stranded.says('Almanac is running');
  await entering(server.url, FIRST_SYNC, 'reconciling');
  await server.stop('SIGKILL');
  expect(await stranded.kill('SIGTERM')).toMatchObject({ code: 0 });

  await server.restart();
  await startHere(home, '--no-first-sync');
  const operations = await client({ NATS_URL: server.url });
  const run = await operations.startRunAndWait({ jobType: 'vault-sync' as never, runId: FIRST_SYNC }, () => {});
  expect(run.outcome).toBe('succeeded');
});

it('a server that restarts in the middle of a run costs the program nothing', async () => {
  await using server = await startTestServer();
  const home = await installationWithVault({ NATS_URL: server.url });
  const running = home.spawn('start', '--vault', `${home.folder.path}/vault`);
  await running.says('Almanac is running');
  await entering(server.url, FIRST_SYNC, 'reconciling');
  await server.restart({ signal: 'SIGKILL' });
  await running.says('First vault-sync: succeeded'); // in time: it does not wait until a heartbeat is missed
  expect(await running.kill('SIGTERM')).toMatchObject({ code: 0 });
}, 14_000);
