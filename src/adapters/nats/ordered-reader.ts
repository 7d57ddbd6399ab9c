/**
 * Reads the log in order, in bulk: an ephemeral push consumer without acknowledgements that is opened again after the last message when
 * one is missing. The client library's ordered consumer pulls, and reads at half the speed.
 */
import {
  AckPolicy,
  type ConsumerConfig,
  DeliverPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
  ReplayPolicy,
} from '@nats-io/jetstream';
import {
  createInbox,
  type Msg,
  type MsgHdrs,
  type NatsConnection,
  nuid,
  type QueuedIterator,
  type Status,
  type Subscription,
} from '@nats-io/transport-node';
import { nanosOf } from '../../../streams/nanoseconds.ts';
import { type DeliveryPosition, deliveryPosition, isDelivery, numbersStart } from './ack-subject.ts';

export interface OrderedRead {
  readonly stream: string;
  readonly subject: string;
  /** Messages stored at this time or later. ISO 8601. */
  readonly since?: string | undefined;
  /** Messages that stand after this place in the stream. */
  readonly after?: number | undefined;
  /** After a break of the connection a subject may come again, if it has a later message by then. */
  readonly lastPerSubject?: boolean | undefined;
  /** Leaves the bodies on the server. */
  readonly headersOnly?: boolean | undefined;
  /** Goes on with new messages until aborted. */
  readonly follow?: AbortSignal | undefined;
}
/** One message of the stream. */
export interface Delivered {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly position: DeliveryPosition;
  /** Decoded when asked for. Throws when they break the rules of the protocol. */
  readonly headers: () => MsgHdrs | undefined;
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
  readonly #statuses: QueuedIterator<Status>;
  #subscription: Subscription | undefined;
  #consumer = '';
  #waiting = false;
  /** Next in the queue. */
  #next = 0;
  #numbersStart = 0;
  #ended = false;
  #lastSequence = 0;
  #delivered = 0;
  /** The last message when reading began; a log that grows faster than we read must not keep us for ever. */
  #until = Number.POSITIVE_INFINITY;
  /** Since the last look. */
  #heard = true;

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
    this.#lastSequence = read.after ?? 0;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#watch = setInterval(() => this.#checkAlive(), 3 * HEARTBEAT_MS).unref();
    // The client's type leaves out that it can be stopped; unstopped ones stay with the connection for ever.
    this.#statuses = connection.status() as QueuedIterator<Status>;
    void this.#watchConnection();
    read.follow?.addEventListener('abort', () => this.#end(), { once: true });
    if (read.follow?.aborted) this.#end();
  }

  open(): void {
    this.#openFrom().catch((error: unknown) => this.#end(error));
  }

  async #openFrom(): Promise<void> {
    this.#subscription?.unsubscribe();
    this.#queue.length = 0;
    this.#next = 0;
    this.#delivered = 0;
    this.#numbersStart = 0;
    this.#heard = true;
    if (this.#ended) return;
    const inbox = createInbox();
    const subscription = this.#connection.subscribe(inbox, { callback: (_, message) => this.#hear(subscription, message) });
    this.#subscription = subscription;
    try {
      const { name } = await this.#manager.consumers.add(this.#read.stream, { ...this.#position(), ...this.#settings(inbox) });
      if (subscription !== this.#subscription) return; // opened once more in the meantime
      this.#consumer = name;
      await this.#findEnd(subscription);
    } catch (error) {
      if (subscription !== this.#subscription) return;
      if (error instanceof JetStreamApiError && error.code !== JetStreamApiCodes.ConsumerNotFound) throw error;
      this.#heard = false; // the connection has broken: opened when it is back
    }
  }

  /**
   * Asked for once the consumer sends, so that it sends what is found. What the server counts as pending is no help: 2.9.10 counts too many
   * or too few messages of a wildcard once the stream has several files.
   */
  async #findEnd(subscription: Subscription): Promise<void> {
    const { stream, subject, since, follow } = this.#read;
    if (follow !== undefined) return;
    if (this.#until === Number.POSITIVE_INFINITY) {
      const last = await this.#manager.streams.getMessage(stream, { last_by_subj: subject });
      if (subscription !== this.#subscription) return;
      const nothing = last === null || (since !== undefined && last.time.getTime() < Date.parse(since));
      this.#until = nothing ? 0 : last.seq;
    }
    this.#endIfComplete();
  }

  #position(): Partial<ConsumerConfig> {
    if (this.#read.lastPerSubject) return { deliver_policy: DeliverPolicy.LastPerSubject };
    if (this.#lastSequence > 0) return { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: this.#lastSequence + 1 };
    if (this.#read.since !== undefined) return { deliver_policy: DeliverPolicy.StartTime, opt_start_time: this.#read.since };
    return { deliver_policy: DeliverPolicy.All };
  }

  #settings(inbox: string): Partial<ConsumerConfig> & { name: string } {
    return {
      name: nuid.next().slice(-10), // short: it stands in the reply subject of every message
      deliver_subject: inbox,
      filter_subject: this.#read.subject,
      ...(this.#read.headersOnly && { headers_only: true }),
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
    this.#heard = true;
    if (this.#waiting) {
      this.#queue.push(message);
      return;
    }
    const said = this.#take(message);
    if (said !== undefined) this.#waitFor(said).catch((error: unknown) => this.#end(error));
  }

  /** While the reader is busy, messages queue up, and so do the server's flow control requests: it stops sending by itself. */
  async #waitFor(said: Promise<unknown>): Promise<void> {
    this.#waiting = true;
    try {
      await said;
      while (this.#next < this.#queue.length && !this.#ended) await this.#take(this.#queue[this.#next++]!);
      this.#queue.length = 0;
      this.#next = 0;
    } finally {
      this.#waiting = false;
    }
  }

  #take(message: Msg): undefined | Promise<undefined> {
    if (!isDelivery(message.reply)) return this.#control(message);
    this.#numbersStart ||= numbersStart(message.reply);
    const position = deliveryPosition(message.reply, this.#numbersStart);
    if (position.consumerSequence !== this.#delivered + 1) {
      this.open(); // one was lost on the way: read on after the last good one
      return undefined;
    }
    this.#delivered = position.consumerSequence;
    if (position.sequence <= this.#lastSequence) return this.#endIfComplete(); // handed over before the break
    this.#lastSequence = position.sequence;
    try {
      const said = this.#onMessage({ subject: message.subject, data: message.data, position, headers: () => message.headers });
      if (said instanceof Promise) return said.then((answer) => this.#after(answer));
      return this.#after(said);
    } catch (error) {
      this.#end(error);
      return undefined;
    }
  }

  #after(said: undefined | 'stop'): undefined {
    if (said === 'stop') this.#end();
    else this.#endIfComplete();
  }

  /**
   * Flow control is answered in order, so a slow reader slows the server down. A heartbeat tells whether the last messages got lost, and
   * that there are no more: the last one may have been removed while we read.
   */
  #control(message: Msg): undefined {
    const stalled = message.headers?.get('Nats-Consumer-Stalled');
    if (message.reply) message.respond();
    else if (stalled) this.#connection.publish(stalled);
    const sent = Number(message.headers?.get('Nats-Last-Consumer') || this.#delivered);
    if (sent > this.#delivered) this.open();
    else if (!message.reply && !stalled && this.#read.follow === undefined) this.#end();
  }

  #endIfComplete(): undefined {
    if (this.#lastSequence >= this.#until) this.#end();
    return undefined;
  }

  #end(error?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#watch);
    this.#statuses.stop();
    this.#subscription?.unsubscribe();
    // The consumer has no interest any more and would go by itself; deleting it frees the server at once.
    if (this.#consumer && !this.#connection.isClosed())
      void this.#manager.consumers.delete(this.#read.stream, this.#consumer).catch(() => undefined);
    if (error === undefined) this.#resolve();
    else this.#reject(error);
  }

  #checkAlive(): void {
    if (!this.#waiting && !this.#heard) this.open();
    this.#heard = false;
  }

  /** The server may have sent into the broken connection, or have forgotten the consumer in a restart. */
  async #watchConnection(): Promise<void> {
    for await (const { type } of this.#statuses) if (type === 'reconnect') this.open();
    this.#end(new Error('the connection was closed while reading'));
  }
}
