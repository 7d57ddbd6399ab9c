/**
 * Reads the log in order, in bulk: an ephemeral push consumer without acknowledgements that is opened again after the last message when
 * one is missing. The client library's ordered consumer pulls, and reads at half the speed.
 */
import { AckPolicy, type ConsumerConfig, DeliverPolicy, type JetStreamManager, ReplayPolicy } from '@nats-io/jetstream';
import { createInbox, type Msg, type NatsConnection, nuid, type Subscription } from '@nats-io/transport-node';
import { nanosOf } from '../../../streams/nanoseconds.ts';

export interface OrderedRead {
  readonly stream: string;
  readonly subject: string;
  /** Messages stored at this time or later. ISO 8601. */
  readonly since?: string | undefined;
  readonly lastPerSubject?: boolean | undefined;
  /** Goes on with new messages until aborted. */
  readonly follow?: AbortSignal | undefined;
}
/** One message of the stream. `pending`: how many of the selection come after it. */
export interface Delivered {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly sequence: number;
  readonly storedAtMs: number;
  readonly pending: number;
}
type OnMessage = (message: Delivered) => undefined | 'stop' | Promise<undefined | 'stop'>;

const HEARTBEAT_MS = 5_000;

/** Ends when everything that was there has been handed over, `onMessage` says stop, or `follow` aborts. */
export function readOrdered(connection: NatsConnection, manager: JetStreamManager, read: OrderedRead, onMessage: OnMessage): Promise<void> {
  return new Promise((resolve, reject) => new OrderedReader(connection, manager, read, onMessage, resolve, reject).open());
}

class OrderedReader {
  readonly #connection: NatsConnection;
  readonly #manager: JetStreamManager;
  readonly #read: OrderedRead;
  readonly #onMessage: OnMessage;
  readonly #resolve: () => void;
  readonly #reject: (error: unknown) => void;
  readonly #queue: Msg[] = [];
  readonly #watch: NodeJS.Timeout;
  #subscription: Subscription | undefined;
  #consumer = '';
  #draining = false;
  #ended = false;
  #lastSequence = 0;
  #delivered = 0;
  /** How many there were when reading began; a log that grows faster than we read must not keep us for ever. */
  #total = Number.POSITIVE_INFINITY;
  #handedOver = 0;
  #heardAt = performance.now();

  constructor(
    connection: NatsConnection,
    manager: JetStreamManager,
    read: OrderedRead,
    onMessage: OnMessage,
    resolve: () => void,
    reject: (error: unknown) => void,
  ) {
    this.#connection = connection;
    this.#manager = manager;
    this.#read = read;
    this.#onMessage = onMessage;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#watch = setInterval(() => this.#checkAlive(), HEARTBEAT_MS).unref();
    read.follow?.addEventListener('abort', () => this.#end(), { once: true });
    if (read.follow?.aborted) this.#end();
  }

  open(): void {
    this.#openFrom().catch((error: unknown) => this.#end(error));
  }

  async #openFrom(): Promise<void> {
    this.#subscription?.unsubscribe();
    this.#queue.length = 0;
    this.#delivered = 0;
    this.#heardAt = performance.now();
    if (this.#ended) return;
    const inbox = createInbox();
    const subscription = this.#connection.subscribe(inbox, { callback: (_, message) => this.#hear(subscription, message) });
    this.#subscription = subscription;
    const info = await this.#manager.consumers.add(this.#read.stream, { ...this.#position(), ...this.#settings(inbox) });
    this.#consumer = info.name;
    if (this.#total === Number.POSITIVE_INFINITY) this.#total = info.num_pending + info.delivered.consumer_seq;
    this.#endIfComplete();
  }

  #position(): Partial<ConsumerConfig> {
    if (this.#read.lastPerSubject && this.#lastSequence === 0) return { deliver_policy: DeliverPolicy.LastPerSubject };
    if (this.#lastSequence > 0) return { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: this.#lastSequence + 1 };
    if (this.#read.since !== undefined) return { deliver_policy: DeliverPolicy.StartTime, opt_start_time: this.#read.since };
    return { deliver_policy: DeliverPolicy.All };
  }

  #settings(inbox: string): Partial<ConsumerConfig> & { name: string } {
    return {
      name: `read-${nuid.next()}`,
      deliver_subject: inbox,
      filter_subject: this.#read.subject,
      ack_policy: AckPolicy.None,
      replay_policy: ReplayPolicy.Instant,
      max_deliver: 1,
      flow_control: true,
      idle_heartbeat: nanosOf(HEARTBEAT_MS),
      inactive_threshold: nanosOf(60_000),
      mem_storage: true,
      num_replicas: 1,
    };
  }

  #hear(subscription: Subscription, message: Msg): void {
    if (subscription !== this.#subscription || this.#ended) return;
    this.#heardAt = performance.now();
    this.#queue.push(message);
    if (!this.#draining) void this.#drain().catch((error: unknown) => this.#end(error));
  }

  async #drain(): Promise<void> {
    this.#draining = true;
    try {
      for (let at = 0; at < this.#queue.length && !this.#ended; at++) {
        const waited = this.#take(this.#queue[at]!);
        if (waited instanceof Promise && (await waited) === 'stop') this.#end();
      }
      this.#queue.length = 0;
    } finally {
      this.#draining = false;
    }
  }

  #take(message: Msg): undefined | Promise<undefined | 'stop'> {
    if (!message.reply?.startsWith('$JS.ACK.')) {
      if (message.reply) message.respond(); // flow control: answered in order, so a slow reader slows the server down
      return undefined;
    }
    const position = positionOf(message.reply);
    if (position.delivered !== this.#delivered + 1) {
      this.open(); // one was lost on the way: read on after the last good one
      return undefined;
    }
    this.#delivered = position.delivered;
    this.#lastSequence = position.sequence;
    this.#handedOver++;
    const said = this.#onMessage({ subject: message.subject, data: message.data, ...position });
    if (said instanceof Promise) return said.then((answer) => answer ?? this.#endIfComplete(position.pending));
    if (said === 'stop') this.#end();
    else this.#endIfComplete(position.pending);
    return undefined;
  }

  #endIfComplete(pending = Number.POSITIVE_INFINITY): undefined {
    if (this.#read.follow === undefined && (pending === 0 || this.#handedOver >= this.#total)) this.#end();
    return undefined;
  }

  #end(error?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#watch);
    this.#subscription?.unsubscribe();
    // The consumer has no interest any more and would go by itself; deleting it frees the server at once.
    if (this.#consumer && !this.#connection.isClosed())
      void this.#manager.consumers.delete(this.#read.stream, this.#consumer).catch(() => undefined);
    if (error === undefined) this.#resolve();
    else this.#reject(error);
  }

  #checkAlive(): void {
    if (this.#connection.isClosed()) this.#end(new Error('the connection was closed while reading'));
    else if (!this.#draining && performance.now() - this.#heardAt > 3 * HEARTBEAT_MS) this.open();
  }
}

/** `$JS.ACK.[<domain>.<account>.]<stream>.<consumer>.<attempt>.<stream seq>.<consumer seq>.<time>.<pending>[.<token>]` */
function positionOf(reply: string): { sequence: number; delivered: number; storedAtMs: number; pending: number } {
  const tokens = reply.split('.');
  const at = tokens.length === 9 ? 5 : 7;
  return {
    sequence: Number(tokens[at]),
    delivered: Number(tokens[at + 1]),
    storedAtMs: Math.floor(Number(tokens[at + 2]) / 1e6),
    pending: Number(tokens[at + 3]),
  };
}
