import type { JetStreamManager, StreamConfig } from '@nats-io/jetstream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connect } from '../../../src/adapters/nats/connection.ts';
import { declareStreams } from '../../../src/adapters/nats/declare-streams.ts';
import { WeakStreamError } from '../../../src/domain/errors.ts';
import { declaredStreams } from '../../../streams/index.ts';
import { startTestServer } from '../../support/nats-server.ts';

let manager: JetStreamManager;
let url: string;
let close: () => Promise<void>;

// A server each: one that makes a stream again right after deleting it may still be removing the old folder, and refuse.
beforeEach(async () => {
  const server = await startTestServer();
  const connected = await connect({ url: server.url, name: 'test' });
  ({ manager } = connected);
  ({ url } = server);
  close = async () => {
    await connected.connection.close();
    await server.dispose();
  };
});
afterEach(() => close());

const configs = () => Promise.all(declaredStreams.map(async ({ name }) => (await manager.streams.info(name)).config));
const declared = (name: string) => {
  const stream = declaredStreams.find((one) => one.name === name)!;
  return { ...stream, subjects: [...stream.subjects] };
};

it('creates every stream exactly as declared, and declaring again changes nothing', async () => {
  await declareStreams(manager);
  const created = await configs();
  expect(created).toMatchObject(declaredStreams);
  await declareStreams(manager);
  expect(await configs()).toEqual(created);
});

it('may be done by several processes at once', async () => {
  const processes = await Promise.all(Array.from({ length: 20 }, () => connect({ url, name: 'test' })));
  await Promise.all(processes.map((process) => declareStreams(process.manager)));
  expect(await configs()).toMatchObject(declaredStreams);
  for (const { connection } of processes) await connection.close();
});

it('says which other stream takes a subject that it needs', async () => {
  await manager.streams.add({ name: 'OTHERS', subjects: ['evt.>'] });
  await expect(declareStreams(manager)).rejects.toThrow('stream OTHERS takes evt.>, which EVENTS needs');
});

it('raises what can be raised in use, and keeps the messages', async () => {
  await manager.streams.add({ ...declared('EVENTS'), allow_direct: false, max_msg_size: 10_000, duplicate_window: 1e9 });
  await manager.jetstream().publish('evt.system.test', 'kept');
  await declareStreams(manager);
  const { config, state } = await manager.streams.info('EVENTS');
  expect(config).toMatchObject(declared('EVENTS'));
  expect(state.messages).toBe(1);
});

it('keeps one message a subject where only the last counts', async () => {
  await manager.streams.add({ ...declared('LIMITS'), max_msgs_per_subject: -1 });
  await declareStreams(manager);
  expect((await manager.streams.info('LIMITS')).config.max_msgs_per_subject).toBe(1);
});

describe('refuses, names and leaves alone an existing stream', () => {
  const weaknesses: [stream: string, weaker: Partial<StreamConfig>, named: RegExp][] = [
    ['EVENTS', { storage: 'memory' }, /storage is memory/],
    ['EVENTS', { deny_delete: false }, /deny_delete is off/],
    ['EVENTS', { deny_purge: false }, /deny_purge is off/],
    ['EVENTS', { max_age: 3_600e9 }, /max_age is 3600 s/],
    ['EVENTS', { discard: 'old' }, /discard is old/],
    ['EVENTS', { max_msgs_per_subject: 5 }, /max_msgs_per_subject/],
    ['EVENTS', { no_ack: true }, /no_ack is on/],
    ['EVENTS', { subjects: ['evt.run.>'] }, /does not take evt\.>/],
    ['COMMANDS', { retention: 'limits' }, /retention is limits/],
    ['COMMANDS', { storage: 'memory' }, /storage is memory/],
    ['DEAD_LETTERS', { discard: 'old' }, /discard is old/],
    ['DEAD_LETTERS', { max_age: 86_400e9 }, /max_age is 86400 s/],
  ].map(([stream, weaker, named]) => [stream, weaker, named] as never);

  it.each(weaknesses)('%s with %o', async (name, weaker, named) => {
    await manager.streams.add({ ...declared(name), ...weaker } as never);
    const before = (await manager.streams.info(name)).config;
    const refusal = await declareStreams(manager).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(WeakStreamError);
    expect(refusal).toMatchObject({ stream: name, problems: [expect.stringMatching(named)] });
    expect((await manager.streams.info(name)).config).toEqual(before);
  });
});
