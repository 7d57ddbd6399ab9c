import { describe, expect, it } from 'vitest';
import { appendConfirmed } from '../../../src/adapters/nats/append.ts';
import { Publisher } from '../../../src/adapters/nats/publisher.ts';
import { StorageRefusedError, VersionConflictError } from '../../../src/domain/errors.ts';
import type { Sequence } from '../../../src/domain/ids.ts';
import { type Client, clientOn } from '../../support/host-on.ts';
import { startTestServer, useNatsServer } from '../../support/nats-server.ts';
import { tcpProxy } from '../../support/tcp-proxy.ts';

const server = useNatsServer();
const none = 0 as Sequence;
const bytesOf = (id: string, size = 0) => Buffer.from(JSON.stringify({ id, filling: 'x'.repeat(size) }));
const append = ({ publisher, manager }: Client, subject: string, eventId: string, expected: Sequence) =>
  appendConfirmed(publisher, manager, { subject, eventId, bytes: bytesOf(eventId), expected });
/** What is stored on a subject, oldest first. */
async function storedOn({ manager }: Client, subject: string): Promise<{ id: string; seq: number }[]> {
  const stored: { id: string; seq: number }[] = [];
  for (let seq = 1; ; seq = stored.at(-1)!.seq + 1) {
    const next = await manager.direct.getMessage('EVENTS', { seq, next_by_subj: subject });
    if (next === null) return stored;
    stored.push({ id: next.json<{ id: string }>().id, seq: next.seq });
  }
}

/** Resolves when the stream has so many messages. */
const onceStored = ({ manager }: Client, messages: number) =>
  expect.poll(async () => (await manager.streams.info('EVENTS')).state.messages, { interval: 5 }).toBeGreaterThan(messages);

it('of two writers who saw the same event, one appends and the other is told', async () => {
  await using client = await clientOn(server);
  await using other = await clientOn(server);
  const first = await append(client, 'evt.test.two', 'first', none);
  const both = await Promise.allSettled([append(client, 'evt.test.two', 'a', first), append(other, 'evt.test.two', 'b', first)]);
  const [lost] = both.filter((one) => one.status === 'rejected');
  expect(both.filter((one) => one.status === 'fulfilled')).toHaveLength(1);
  expect(lost?.reason).toBeInstanceOf(VersionConflictError);
  expect(await storedOn(client, 'evt.test.two')).toHaveLength(2);
});

it('an append nobody ever answered ends with its true sequence, stored once', async () => {
  await using proxy = await tcpProxy(server);
  await using client = await clientOn(proxy);
  proxy.swallowAnswers();
  let received = false;
  proxy.onClientData((data) => {
    received ||= data.includes('evt.test.lost');
  });
  const appended = append(client, 'evt.test.lost', 'mine', none);
  await using onlooker = await clientOn(server);
  await expect.poll(() => storedOn(onlooker, 'evt.test.lost')).toHaveLength(1);
  expect(received).toBe(true);
  proxy.cut();
  const sequence = await appended;
  expect(await storedOn(onlooker, 'evt.test.lost')).toEqual([{ id: 'mine', seq: sequence }]);
});

it('a lost answer is found even when another writer has appended after it', async () => {
  await using proxy = await tcpProxy(server);
  await using client = await clientOn(proxy);
  await using other = await clientOn(server);
  const first = await append(other, 'evt.test.after', 'first', none);
  proxy.swallowAnswers();
  const appended = append(client, 'evt.test.after', 'mine', first);
  await expect.poll(() => storedOn(other, 'evt.test.after')).toHaveLength(2);
  const mine = (await storedOn(other, 'evt.test.after'))[1]!.seq as Sequence;
  await append(other, 'evt.test.after', 'theirs', mine);
  proxy.cut();
  expect(await appended).toBe(mine);
  expect((await storedOn(other, 'evt.test.after')).map(({ id }) => id)).toEqual(['first', 'mine', 'theirs']);
});

it('an append that never arrived is told that another writer won', async () => {
  await using proxy = await tcpProxy(server);
  await using client = await clientOn(proxy);
  await using other = await clientOn(server);
  proxy.swallowEverything();
  const appended = append(client, 'evt.test.never', 'mine', none);
  await append(other, 'evt.test.never', 'theirs', none);
  proxy.cut();
  await expect(appended).rejects.toBeInstanceOf(VersionConflictError);
  expect((await storedOn(other, 'evt.test.never')).map(({ id }) => id)).toEqual(['theirs']);
});

it('appends over a connection that breaks again and again are each stored once, at the sequence they were told', async () => {
  await using proxy = await tcpProxy(server);
  await using client = await clientOn(proxy);
  let breaks = 0;
  proxy.onClientData((data) => {
    if (!data.includes('HPUB') || breaks++ >= 5) return;
    proxy.swallowAnswers();
    setImmediate(() => proxy.cut());
  });
  const ids = Array.from({ length: 300 }, (_, n) => `e${n}`);
  const sequences = await Promise.all(ids.map((id) => append(client, `evt.test.flaky.${id}`, id, none)));
  expect(breaks).toBeGreaterThan(5);
  await using onlooker = await clientOn(server);
  for (const [n, id] of ids.entries()) expect(await storedOn(onlooker, `evt.test.flaky.${id}`)).toEqual([{ id, seq: sequences[n] }]);
});

it('an append is not given up when reading back fails too', async () => {
  await using proxy = await tcpProxy(server);
  await using client = await clientOn(proxy);
  let cuts = 0;
  proxy.onClientData((data) => {
    if (data.includes('evt.test.unread') && !data.includes('STREAM.MSG.GET') && cuts === 0) proxy.swallowAnswers();
    else if (!data.includes('STREAM.MSG.GET') || cuts >= 2) return;
    cuts++;
    setImmediate(() => proxy.cut());
  });
  const sequence = await append(client, 'evt.test.unread', 'mine', none);
  expect(cuts).toBe(2);
  await using onlooker = await clientOn(server);
  expect(await storedOn(onlooker, 'evt.test.unread')).toEqual([{ id: 'mine', seq: sequence }]);
});

it('a restart of the server in the middle of thousands of appends loses none and repeats none', async () => {
  await using own = await startTestServer();
  await using client = await clientOn(own);
  const chains = Array.from({ length: 50 }, async (_, chain) => {
    let expected = none;
    for (let n = 0; n < 40; n++) expected = await append(client, `evt.test.chain.${chain}`, `${chain}-${n}`, expected);
    return expected;
  });
  await onceStored(client, 500);
  await own.restart({ signal: 'SIGKILL' });
  const last = await Promise.all(chains);
  const { state } = await client.manager.streams.info('EVENTS');
  expect(state.messages).toBe(50 * 40);
  expect(Math.max(...last)).toBe(state.last_seq);
});

describe('back-pressure', () => {
  it('keeps no more in flight than it may, and sends everything', async () => {
    await using client = await clientOn(server);
    const publisher = new Publisher(client.connection, { maxInFlight: 3 });
    const stored = await Promise.all(Array.from({ length: 50 }, (_, n) => publisher.publish(`evt.test.few.${n}`, bytesOf(`${n}`))));
    expect(new Set(stored.map(({ sequence }) => sequence)).size).toBe(50);
    publisher.close();
  });

  it('goes on after a message that the client itself refused', async () => {
    await using client = await clientOn(server);
    const publisher = new Publisher(client.connection, { maxInFlight: 1 });
    const sent = ['a', 'too large', 'b', 'c'].map((id) =>
      publisher.publish(`evt.test.refused.${id[0]}`, bytesOf(id, id === 'too large' ? 1_048_576 : 0)),
    );
    const results = await Promise.allSettled(sent);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
    publisher.close();
  });
});

describe('refused and not stored', () => {
  it('when no stream takes the subject', async () => {
    await using client = await clientOn(server);
    await expect(client.publisher.publish('nobody.listens', bytesOf('x'))).rejects.toBeInstanceOf(StorageRefusedError);
  });

  it('when it is larger than the server takes', async () => {
    await using client = await clientOn(server);
    await expect(client.publisher.publish('evt.test.large', bytesOf('x', 1_048_576))).rejects.toBeInstanceOf(StorageRefusedError);
    expect(await storedOn(client, 'evt.test.large')).toEqual([]);
  });

  it('while the disk quota is used up; what was stored stays, and appending goes on once there is space', async () => {
    await using small = await startTestServer({ maxFileStore: '1MB' });
    await using client = await clientOn(small);
    await client.manager.streams.add({ name: 'BALLAST', subjects: ['ballast'] });
    await client.manager.jetstream().publish('ballast', new Uint8Array(500_000));
    let last = none;
    let refusal: unknown;
    const stored: string[] = [];
    for (let n = 0; refusal === undefined; n++) {
      const bytes = bytesOf(`e${n}`, 50_000);
      const appended = { subject: 'evt.test.full', eventId: `e${n}`, bytes, expected: last };
      try {
        last = await appendConfirmed(client.publisher, client.manager, appended);
        stored.push(`e${n}`);
      } catch (error) {
        refusal = error;
      }
    }
    expect(refusal).toBeInstanceOf(StorageRefusedError);
    await client.manager.streams.purge('BALLAST');
    await append(client, 'evt.test.full', 'after', last);
    expect((await storedOn(client, 'evt.test.full')).map(({ id }) => id)).toEqual([...stored, 'after']);
  });
});

it('once closed, an append fails at once instead of trying for ever', async () => {
  await using proxy = await tcpProxy(server);
  await using client = await clientOn(proxy);
  proxy.swallowEverything();
  const appended = append(client, 'evt.test.closed', 'x', none);
  const refused = expect(appended).rejects.toMatchObject({ code: 'STOPPING' });
  client.publisher.close();
  await refused;
  await expect(append(client, 'evt.test.closed', 'y', none)).rejects.toMatchObject({ code: 'STOPPING' });
});
