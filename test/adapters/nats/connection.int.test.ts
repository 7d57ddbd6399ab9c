import { expect, it } from 'vitest';
import { connect } from '../../../src/adapters/nats/connection.ts';
import { Publisher } from '../../../src/adapters/nats/publisher.ts';
import { freePort } from '../../support/free-port.ts';
import { clientOn } from '../../support/host-on.ts';
import { useNatsServer } from '../../support/nats-server.ts';
import { tcpProxy } from '../../support/tcp-proxy.ts';

const server = useNatsServer();

it('a connection that died without a word is noticed and replaced, and what waited for an answer goes on', async () => {
  await using onlooker = await clientOn(server); // declares the streams
  await using proxy = await tcpProxy(server);
  const { connection } = await connect({ url: proxy.url, name: 'test', pingMs: 50 });
  const publisher = new Publisher(connection);
  proxy.swallowEverything();
  await expect(publisher.publish('evt.test.dead', Buffer.from('1'))).rejects.toMatchObject({ code: 'UNCONFIRMED' });
  await publisher.publish('evt.test.dead', Buffer.from('2'));
  expect((await onlooker.manager.streams.getMessage('EVENTS', { last_by_subj: 'evt.test.dead' }))?.string()).toBe('2');
  publisher.close();
  await connection.close();
});

it('no server is an error that names the address, without its password', async () => {
  const url = `nats://somebody:secret@127.0.0.1:${await freePort()}`;
  const error = await connect({ url, name: 'test', timeoutMs: 500 }).catch((thrown: unknown) => thrown as Error);
  expect(error).toMatchObject({ code: 'NATS_UNAVAILABLE', message: expect.stringContaining('127.0.0.1') });
  expect((error as Error).message).not.toContain('secret');
});
