import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { connect, disconnect } from '../../../src/adapters/nats/connection.ts';
import { freePort } from '../../support/free-port.ts';
import { testBinary } from '../../support/nats-binaries.ts';

let address: string;
beforeAll(async () => {
  const store = await mkdtemp(join(tmpdir(), 'almanac-login-'));
  const port = await freePort();
  address = `127.0.0.1:${port}`;
  const binary = await testBinary();
  const server = spawn(binary.path, [
    '-a',
    '127.0.0.1',
    '-p',
    `${port}`,
    '-js',
    '-sd',
    store,
    '--user',
    'night watch',
    '--pass',
    'p@ss/word',
  ]);
  let said = '';
  for await (const text of server.stderr.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
    said += text;
    if (said.includes('Server is ready')) break;
  }
  server.stderr.resume();
  return async () => {
    server.kill('SIGKILL');
    await once(server, 'exit');
    await rm(store, { recursive: true });
  };
});

it('user and password stand in the address, encoded as in any other', async () => {
  const { connection } = await connect({ url: `nats://night%20watch:p%40ss%2Fword@${address}`, name: 'test' });
  expect(connection.isClosed()).toBe(false);
  await disconnect(connection);
});

it('a wrong password is an error at once, and is not repeated in it', async () => {
  const refused = connect({ url: `nats://night%20watch:guessed@${address}`, name: 'test' });
  await expect(refused).rejects.toMatchObject({ code: 'NATS_UNAVAILABLE', message: expect.not.stringContaining('guessed') });
});
