/** The server has no room left: everybody is told, nothing is lost, and with room again everything goes on. */
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { expect, it, onTestFinished } from 'vitest';
import { openClient } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import { jobTypeId, runId } from '../../src/domain/ids.ts';
import { installation } from '../support/almanac-process.ts';
import { commandsLeft } from '../support/commands-left.ts';
import { startTestServer } from '../support/nats-server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const VAULT_SYNC = jobTypeId('vault-sync');

/** Until nothing of any size fits any more. */
async function fillUp(url: string): Promise<void> {
  const connection = await connect({ servers: url });
  for (const size of [100_000, 10_000, 1_000, 100, 1]) {
    const fill = async () => {
      for (;;) await jetstream(connection).publish('evt.system.filler', new Uint8Array(size));
    };
    await expect(fill()).rejects.toThrow(/insufficient|exceeded/);
  }
  await connection.close();
}

it('a run that meets a full disk waits for room, and a command that does is refused with the reason', async () => {
  const store = temporaryFolder();
  onTestFinished(() => store.remove());
  await using home = await installation({ ENABLE_MONITORING: 'false', ALMANAC_LEASE_SECONDS: '0.5' });
  const small = await startTestServer({ storeDir: store.path, maxFileStore: '2MB' });
  onTestFinished(() => small.dispose());
  const { url, port } = small;

  const setUp = await home.start('--no-first-sync', '--nats', url);
  await setUp.kill('SIGTERM');
  const queued = await home.run('run', 'start', 'vault-sync', '--key', 'queued', '--nats', url);
  expect(queued.code).toBe(0);
  await fillUp(url);

  const instance = await home.start('--nats', url);
  await expect
    .poll(() => instance.stderr, { timeout: 10_000 })
    .toMatch(/first vault-sync could not be started; everything else goes on.*not stored/s);
  const refused = await home.run('run', 'start', 'vault-sync', '--nats', url);
  expect(refused).toMatchObject({ code: 1, stdout: '' });
  expect(refused.stderr).toMatch(
    /^almanac: cmd\.vault-sync\.start\.normal was not stored: .*(insufficient|exceeded).*raise max_file_store.*\n$/,
  );
  await expect
    .poll(() => instance.stderr, { timeout: 10_000 })
    .toMatch(/queued was not stored.*the run cannot go on now; its lease goes back/);

  await small.stop();
  await using big = await startTestServer({ storeDir: store.path, port });
  const client = await openClient(readConfig({ NATS_URL: big.url }));
  onTestFinished(() => client.close());
  const run = await client.operations.startRunAndWait({ jobType: VAULT_SYNC, runId: runId('queued') }, () => {});
  expect(run.outcome).toBe('succeeded');
  expect(await client.operations.verify({})).toMatchObject({ runs: 1, events: 5, problems: [] });
  expect(await instance.kill('SIGTERM')).toMatchObject({ code: 0 });

  const connection = await connect({ servers: big.url });
  expect(await commandsLeft(connection)).toEqual({ stored: 0, unacknowledged: 0 });
  expect((await (await jetstreamManager(connection)).streams.info('DEAD_LETTERS')).state.messages).toBe(0);
  await connection.close();
}, 60_000);
