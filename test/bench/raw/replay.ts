import { type Figure, measure } from './measure.ts';
import { type Message, SocketClient } from './socket-client.ts';
import { askJetStream } from './streams.ts';

const HEARTBEAT_NANOS = 5_000_000_000;

export interface ReplayOptions {
  url: string;
  serverPid?: number | undefined;
  stream: string;
  /** Only subjects that match; all of them when left out. */
  filter?: string | undefined;
  /** Stop after so many events; at the end of the stream when left out. */
  count?: number | undefined;
}

/**
 * Reads a stream from its beginning in order and parses every payload, as a push consumer without acks. Ends when nothing is
 * pending. A gap in the delivery is an error here, where a product would begin again behind the last event it saw.
 */
export async function orderedReplay({ url, serverPid, stream, filter, count = Number.POSITIVE_INFINITY }: ReplayOptions): Promise<Figure> {
  const client = await SocketClient.connect(url);
  try {
    return await measure(() => readAll(client, { stream, filter, count }), serverPid);
  } finally {
    client.close(); // the ephemeral consumer goes with its subscriber
  }
}

async function readAll(client: SocketClient, options: { stream: string; filter: string | undefined; count: number }): Promise<number> {
  const { stream, filter, count } = options;
  let taken = 0;
  let deliverTo = '';
  const replayed = client.settled<number>((resolve) => {
    let ended = false;
    deliverTo = client.subscribe((message) => {
      if (ended) return; // already on its way when the last wanted one came
      if (message.status !== '') return answerStatus(client, message, taken);
      const { consumerSequence, pending } = deliveryOf(message.reply);
      if (consumerSequence !== ++taken) throw new Error(`gap in ${stream}: delivery ${consumerSequence} came where ${taken} was due`);
      JSON.parse(message.text('utf8'));
      ended = taken === count || pending === 0;
      if (ended) resolve(taken);
    });
  });
  const created = askJetStream(client, `CONSUMER.CREATE.${stream}`, {
    stream_name: stream,
    config: {
      deliver_subject: deliverTo,
      deliver_policy: 'all',
      ack_policy: 'none',
      flow_control: true,
      idle_heartbeat: HEARTBEAT_NANOS,
      mem_storage: true,
      num_replicas: 1,
      ...(filter === undefined ? {} : { filter_subject: filter }),
    },
  }).then(({ num_pending }) => {
    if (num_pending === 0 && taken === 0) throw new Error(`${stream} holds nothing${filter ? ` under ${filter}` : ''} to replay`);
  });
  const [events] = await Promise.all([replayed, created]);
  return events;
}

/** Flow control asks for an answer; a heartbeat says what we should have seen, and may carry a flow control we missed. */
function answerStatus(client: SocketClient, { status, headers, reply }: Message, taken: number): void {
  if (status !== '100') throw new Error(`replay ended early: ${headers.trim()}`);
  const stalled = /^Nats-Consumer-Stalled: *(\S+)/m.exec(headers)?.[1];
  const lastSent = /^Nats-Last-Consumer: *(\d+)/m.exec(headers)?.[1];
  if (lastSent !== undefined && Number(lastSent) !== taken) throw new Error(`gap: the server has sent ${lastSent} events, ${taken} came`);
  if (reply !== '') client.publish(reply, '');
  if (stalled !== undefined) client.publish(stalled, '');
}

/** `$JS.ACK.[<domain>.<account>.]<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time>.<pending>[.<random>]` */
function deliveryOf(reply: string): { consumerSequence: number; pending: number } {
  const tokens = reply.split('.');
  const shift = tokens.length === 9 ? 0 : 2;
  return { consumerSequence: Number(tokens[6 + shift]), pending: Number(tokens[8 + shift]) };
}
