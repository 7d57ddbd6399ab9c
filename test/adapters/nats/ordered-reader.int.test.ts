import { beforeAll, describe, expect, it } from 'vitest';
import { type Delivered, type OrderedRead, readOrdered } from '../../../src/adapters/nats/ordered-reader.ts';
import { type Client, clientOn } from '../../support/host-on.ts';
import { startTestServer, useNatsServer } from '../../support/nats-server.ts';
import { Sightings } from '../../support/sightings.ts';
import { tcpProxy } from '../../support/tcp-proxy.ts';

const server = useNatsServer();
let client: Client;
beforeAll(async () => {
  client = await clientOn(server);
  return () => client[Symbol.asyncDispose]();
});

const numbers = (to: number, from = 1) => Array.from({ length: to - from + 1 }, (_, n) => from + n);
const store = (on: Client, subject: string, values: readonly number[], bytes = 0) =>
  Promise.all(values.map((n) => on.publisher.publish(subject, Buffer.from(JSON.stringify({ n, filling: 'x'.repeat(bytes) })))));
const numberIn = ({ data }: Delivered) => (JSON.parse(Buffer.from(data).toString()) as { n: number }).n;
async function read(
  on: Client,
  selection: Partial<OrderedRead>,
  onMessage?: (n: number) => undefined | 'stop' | Promise<undefined | 'stop'>,
) {
  const got: number[] = [];
  await readOrdered(on.connection, on.manager, { stream: 'EVENTS', subject: 'evt.>', ...selection }, (message) => {
    got.push(numberIn(message));
    return onMessage?.(got.at(-1)!);
  });
  return got;
}

it('an empty selection ends at once', async () => {
  expect(await read(client, { subject: 'evt.nothing' })).toEqual([]);
});

it('everything comes once, in order, over all subjects', async () => {
  for (const n of numbers(10)) await store(client, `evt.order.${n % 3}`, [n]);
  expect(await read(client, { subject: 'evt.order.>' })).toEqual(numbers(10));
});

it('only the last message of each subject, in the order of the log', async () => {
  for (const n of numbers(10)) await store(client, `evt.last.${n % 3}`, [n]);
  expect(await read(client, { subject: 'evt.last.>', lastPerSubject: true })).toEqual([8, 9, 10]);
});

it('since is inclusive, to the millisecond; the future is empty', async () => {
  await store(client, 'evt.since', numbers(5));
  const third = (await client.manager.streams.getMessage('EVENTS', { last_by_subj: 'evt.since' }))!.time;
  const from = await readPositions(client, 'evt.since');
  const [, , { storedAtMs }] = from as [unknown, unknown, { storedAtMs: number }];
  const expected = from.flatMap((position, index) => (position.storedAtMs >= storedAtMs ? [index + 1] : []));
  expect(await read(client, { subject: 'evt.since', since: new Date(storedAtMs).toISOString() })).toEqual(expected);
  const future = new Date(third.getTime() + 3_600_000).toISOString();
  expect(await read(client, { subject: 'evt.since', since: future })).toEqual([]);
});
async function readPositions(on: Client, subject: string) {
  const positions: Delivered['position'][] = [];
  await readOrdered(on.connection, on.manager, { stream: 'EVENTS', subject }, ({ position }) => void positions.push(position));
  return positions;
}

it('stops when it is told to, at once and for good, whether the reader answers at once or later', async () => {
  await store(client, 'evt.stop', numbers(1_000));
  expect(await read(client, { subject: 'evt.stop' }, (n) => (n === 7 ? 'stop' : undefined))).toEqual(numbers(7));
  expect(await read(client, { subject: 'evt.stop' }, async (n) => (n === 7 ? 'stop' : undefined))).toEqual(numbers(7));
});

it('what the reader throws is what reading throws', async () => {
  await store(client, 'evt.throw', numbers(3));
  const thrown = new Error('enough');
  await expect(
    read(client, { subject: 'evt.throw' }, () => {
      throw thrown;
    }),
  ).rejects.toBe(thrown);
  await expect(read(client, { subject: 'evt.throw' }, () => Promise.reject(thrown))).rejects.toBe(thrown);
});

it('a reader that takes its time slows the server down instead of filling memory, and gets everything', async () => {
  await store(client, 'evt.slow', numbers(400), 50_000);
  const got = await read(client, { subject: 'evt.slow' }, () => new Promise((resolve) => setImmediate(resolve, undefined)));
  expect(got).toEqual(numbers(400));
});

it('a log that grows faster than it is read does not keep the reader for ever', async () => {
  await store(client, 'evt.grow', numbers(100));
  let next = 100;
  const got = await read(client, { subject: 'evt.grow' }, async () => void (await store(client, 'evt.grow', [++next, ++next])));
  expect(got.slice(0, 100)).toEqual(numbers(100));
  expect(got.length).toBeLessThan(200);
});

it('following goes on with what comes later, until it is aborted', async () => {
  await store(client, 'evt.follow', numbers(3));
  const seen = new Sightings();
  const done = new AbortController();
  const following = read(client, { subject: 'evt.follow', follow: done.signal }, (n) => void seen.saw('message', n));
  await seen.times('message', 3);
  await store(client, 'evt.follow', [4, 5]);
  await seen.times('message', 5);
  done.abort();
  expect(await following).toEqual(numbers(5));
  expect(await read(client, { subject: 'evt.follow', follow: AbortSignal.abort() })).toEqual([]);
});

describe('without gap or repeat', () => {
  it('through a connection that is cut again and again', async () => {
    await store(client, 'evt.cut', numbers(3_000), 2_000);
    await using proxy = await tcpProxy(server);
    await using cut = await clientOn(proxy);
    let cuts = 0;
    const got = await read(cut, { subject: 'evt.cut' }, (n) => {
      if (n % 1_000 === 500) {
        cuts++;
        proxy.cut();
      }
      return undefined;
    });
    expect(got).toEqual(numbers(3_000));
    expect(cuts).toBe(3);
  });

  it('when only the last message of each subject is wanted', async () => {
    for (const round of [1, 2]) await Promise.all(numbers(1_000).map((n) => store(client, `evt.each.${n}`, [round * 10_000 + n], 2_000)));
    await using proxy = await tcpProxy(server);
    await using cut = await clientOn(proxy);
    let got = 0;
    const last = await read(cut, { subject: 'evt.each.>', lastPerSubject: true }, () => {
      if (++got === 500) proxy.cut();
      return undefined;
    });
    expect(last.sort((a, b) => a - b)).toEqual(numbers(21_000, 20_001));
  });

  it('when the last messages are lost on the way and nothing comes after them', async () => {
    await using proxy = await tcpProxy(server);
    await using cut = await clientOn(proxy);
    await store(client, 'evt.tail', numbers(3));
    const seen = new Sightings();
    const done = new AbortController();
    const following = read(cut, { subject: 'evt.tail', follow: done.signal }, (n) => void seen.saw('message', n));
    await seen.times('message', 3);
    proxy.swallowAnswers();
    await store(client, 'evt.tail', [4]);
    proxy.cut();
    await seen.times('message', 4);
    done.abort();
    expect(await following).toEqual(numbers(4));
  });

  it('through a restart of the server', async () => {
    await using own = await startTestServer();
    await using onOwn = await clientOn(own);
    await store(onOwn, 'evt.restart', numbers(3));
    const seen = new Sightings();
    const done = new AbortController();
    const following = read(onOwn, { subject: 'evt.restart', follow: done.signal }, (n) => void seen.saw('message', n));
    await seen.times('message', 3);
    await own.restart({ signal: 'SIGKILL' });
    await store(onOwn, 'evt.restart', [4, 5]);
    await seen.times('message', 5);
    done.abort();
    expect(await following).toEqual(numbers(5));
  });

  // At the first message the answer to opening the reader is still on its way, and is lost.
  it.each([1, 20, 150])('for a reader that is busy with message %i while the connection is cut', async (busyWith) => {
    const subject = `evt.busy.${busyWith}`;
    await store(client, subject, numbers(200), 10_000);
    await using proxy = await tcpProxy(server);
    await using cut = await clientOn(proxy);
    const reconnected = once(cut, 'reconnect');
    const got = await read(cut, { subject }, async (n) => {
      if (n === busyWith) {
        proxy.cut();
        await reconnected;
      }
      return undefined;
    });
    expect(got).toEqual(numbers(200));
  });
});

async function once({ connection }: Client, type: string): Promise<void> {
  for await (const status of connection.status()) if (status.type === type) return;
}
