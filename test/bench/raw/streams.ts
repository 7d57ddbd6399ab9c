import type { SocketClient } from './socket-client.ts';

const nanos = (ms: number) => ms * 1_000_000;

const events = { name: 'RAW_EVENTS', subjects: ['raw.evt.>'], retention: 'limits' };
const commands = { name: 'RAW_COMMANDS', subjects: ['raw.cmd'], retention: 'workqueue' };
export const worker = { durable_name: 'worker', ack_policy: 'explicit', ack_wait: nanos(60_000), max_ack_pending: -1, max_deliver: -1 };

interface ApiReply extends Record<string, unknown> {
  error?: { code: number; err_code?: number; description: string };
}

/** Asks the JetStream API; an error reply rejects. */
export async function askJetStream(client: SocketClient, name: string, body: object = {}): Promise<ApiReply> {
  const reply = await client.settled<ApiReply>((resolve) => {
    client.request(`$JS.API.${name}`, JSON.stringify(body), (message) => {
      if (message.status === '503') throw new Error(`nobody answers $JS.API.${name}: is JetStream on?`);
      resolve(JSON.parse(message.text('utf8')) as ApiReply);
    });
  });
  if (reply.error) throw new Error(`${name}: ${reply.error.description}`);
  return reply;
}

/** Runs `work` between two empty streams and their removal. What a failed run left behind is removed by the next. */
export async function withStreams<T>(client: SocketClient, work: () => Promise<T>): Promise<T> {
  for (const stream of [events, commands]) {
    await dropIfThere(client, stream.name);
    await askJetStream(client, `STREAM.CREATE.${stream.name}`, { ...stream, storage: 'file', num_replicas: 1, discard: 'new' });
  }
  const result = await work();
  for (const stream of [events, commands]) await askJetStream(client, `STREAM.DELETE.${stream.name}`);
  return result;
}

async function dropIfThere(client: SocketClient, stream: string): Promise<void> {
  const { streams } = await askJetStream(client, 'STREAM.NAMES', { subject: stream === events.name ? 'raw.evt.>' : 'raw.cmd' });
  if (Array.isArray(streams) && streams.includes(stream)) await askJetStream(client, `STREAM.DELETE.${stream}`);
}

/** Checks that a measurement did what it claims. */
export async function expectStored(client: SocketClient, expected: { events: number; commands: number }): Promise<void> {
  const stored = { events: await countMessages(client, events.name), commands: await countMessages(client, commands.name) };
  if (stored.events === expected.events && stored.commands === expected.commands) return;
  throw new Error(`expected ${JSON.stringify(expected)} in the streams, found ${JSON.stringify(stored)}`);
}

async function countMessages(client: SocketClient, stream: string): Promise<number> {
  const { state } = await askJetStream(client, `STREAM.INFO.${stream}`);
  return (state as { messages: number }).messages;
}
