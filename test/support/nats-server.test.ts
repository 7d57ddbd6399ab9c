import { existsSync } from 'node:fs';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { describe, expect, it } from 'vitest';
import { startTestServer, useNatsServer } from './nats-server.ts';

describe.each(['newest', 'debian'] as const)('a test server, %s', (which) => {
  const server = useNatsServer({ which });

  it('keeps port and store over a restart and a crash', async () => {
    const { url, pid } = server;
    const nc = await connect({ servers: url, maxReconnectAttempts: -1, reconnectTimeWait: 20 });
    await (await jetstreamManager(nc)).streams.add({ name: 'KEPT', subjects: ['kept'] });
    await jetstream(nc).publish('kept', 'one');
    await server.restart();
    await server.restart({ signal: 'SIGKILL' });
    await nc.close();

    const again = await connect({ servers: server.url });
    const { state } = await (await jetstreamManager(again)).streams.info('KEPT');
    await again.close();
    expect({ url: server.url, messages: state.messages }).toEqual({ url, messages: 1 });
    expect(server.pid).not.toBe(pid);
  });

  it('refuses to store more than its quota', async () => {
    await using small = await startTestServer({ which, maxFileStore: '1MB' });
    const nc = await connect({ servers: small.url });
    await (await jetstreamManager(nc)).streams.add({ name: 'SMALL', subjects: ['small'] });
    const fill = async () => {
      for (let sent = 0; sent < 20; sent++) await jetstream(nc).publish('small', new Uint8Array(100_000));
    };
    await expect(fill()).rejects.toMatchObject({ message: expect.stringMatching(/insufficient|exceeded/) });
    await nc.close();
  });
});

it('a disposed server leaves neither process nor folder', async () => {
  const server = await startTestServer();
  const { pid } = server;
  await server.dispose();
  expect(existsSync(`/proc/${pid}`)).toBe(false);
});
