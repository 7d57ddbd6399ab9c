/**
 * Commands delivered by pull consumers: a lease is a message (invariant 4).
 *
 * Asks the server for exactly as many messages as there are free slots, because a lease that waits in a process is one that nobody
 * works on. The client library's `consume()` refills on delivery, not on settlement, so the asking is done here.
 *
 * Where feeds compete for slots, what is asked for does not keep them long: a request that is not answered soon ends, its slots go to
 * other feeds, and a request for one message stays with the server as a probe, without a slot. What it brings when nothing is free goes
 * back at once, and then it is this feed's turn.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { AckPolicy, JetStreamApiError, type JetStreamManager } from '@nats-io/jetstream';
import { createInbox, type Msg, type NatsConnection, type Subscription } from '@nats-io/transport-node';
import { commands, consumerOf } from '../../../streams/commands.stream.ts';
import { nanosOf } from '../../../streams/nanoseconds.ts';
import type { LeaseFeed, LeaseSource, Log } from '../../runtime/ports.ts';
import { isDelivery } from './ack-subject.ts';
import { lanesInUse, removeLane } from './lanes.ts';
import { leaseOf } from './lease-of-message.ts';
import { Outbox } from './outbox.ts';
import { queuedStarts } from './queued-starts.ts';

export interface LeaseOptions {
  /** How long an unextended lease is kept. A crashed holder's runs go on elsewhere after this. @default 6_000 */
  readonly leaseMs?: number;
}
type OpenOptions = Parameters<LeaseSource['open']>[0];

/** As the server understands it; 0 would mean its default, 1,000. */
const UNLIMITED = -1;
const REQUEST_EXPIRES_MS = 30_000;
/** Where feeds compete for slots. Too short for heartbeats. */
const SHORT_REQUEST_MS = 40;
/** The server says it is alive at this rate while a request waits; twice without a word, and the request is taken for lost. */
const HEARTBEAT_MS = 2_000;
const RETRY_MS = 1_000;
/** JetStream's error code; the client library has no name for it. */
const CONSUMER_EXISTS = 10_148;
/** How long stopping waits for what the server has sent already. */
const LAST_LEASES_MS = 1_000;

export function natsLeases(connection: NatsConnection, manager: JetStreamManager, log: Log, options: LeaseOptions = {}): LeaseSource {
  const leaseMs = options.leaseMs ?? 6_000;
  return {
    leaseMs,
    async open(open) {
      const feed = new Puller(connection, manager, log, leaseMs, open);
      await feed.start();
      return feed;
    },
    lanesInUse: () => lanesInUse(manager),
    removeLane: (jobType, lane) => removeLane(manager, jobType, lane),
    async exists(command) {
      const message = await manager.streams.getMessage(commands.name, { seq: command });
      return message !== null;
    },
    findStart: queuedStarts({ connection, manager }).findStart,
  };
}

class Puller implements LeaseFeed {
  readonly #connection: NatsConnection;
  readonly #outbox: Outbox;
  readonly #manager: JetStreamManager;
  readonly #log: Log;
  readonly #leaseMs: number;
  readonly #open: OpenOptions;
  readonly #consumer: string;
  readonly #pullSubject: string;
  readonly #inbox = createInbox();
  #subscription: Subscription | undefined;
  #watch: NodeJS.Timeout | undefined;
  #stopped = false;
  #repairing = false;
  #held = 0;
  /** Messages asked for and not yet delivered, over all requests. A slot is kept for each. */
  #asked = 0;
  /** The number of the request that is out without a slot. */
  #probe: number | undefined;
  /** Commands that were left on the server at the last delivery; what it does not count is delivered again in its own time. */
  #left = Number.POSITIVE_INFINITY;
  #requests = 0;
  /** What the server says of requests up to this number does not matter any more. */
  #forgotten = 0;
  #heardAt = 0;

  constructor(connection: NatsConnection, manager: JetStreamManager, log: Log, leaseMs: number, open: OpenOptions) {
    this.#connection = connection;
    this.#outbox = Outbox.of(connection);
    this.#manager = manager;
    this.#log = log;
    this.#leaseMs = leaseMs;
    this.#open = open;
    this.#consumer = consumerOf(open.commands).name;
    this.#pullSubject = `$JS.API.CONSUMER.MSG.NEXT.${commands.name}.${this.#consumer}`;
    open.slots.onGranted = (count) => this.#ask(count);
  }

  async start(): Promise<void> {
    await this.#declareConsumer();
    this.#subscribe();
    this.#watch = setInterval(() => this.#checkAlive(), HEARTBEAT_MS).unref();
    void this.#watchConnection();
    this.#pull();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#watch);
    this.#forgetRequests();
    this.#open.slots.leave();
    if (this.#connection.isClosed() || this.#subscription === undefined || this.#subscription.isClosed()) return;
    // Without interest the server drops what we still ask for. What is on its way still arrives and goes back, so nobody waits for it.
    const drained = this.#subscription.drain().catch(() => undefined);
    await Promise.race([drained, delay(LAST_LEASES_MS, undefined, { ref: false })]);
  }

  async #declareConsumer(): Promise<void> {
    const { commands: selection, concurrency = UNLIMITED } = this.#open;
    const limits = { ack_wait: nanosOf(this.#leaseMs), max_ack_pending: concurrency };
    try {
      await this.#manager.consumers.add(commands.name, {
        durable_name: this.#consumer,
        filter_subject: consumerOf(selection).filter,
        ack_policy: AckPolicy.Explicit,
        max_deliver: -1, // attempts are counted in the log (invariant 4)
        ...limits,
      });
    } catch (error) {
      // Since server 2.10: it exists with other limits. Older servers take the new ones.
      if (!(error instanceof JetStreamApiError && error.code === CONSUMER_EXISTS)) throw error;
      await this.#manager.consumers.update(commands.name, this.#consumer, limits);
    }
  }

  #subscribe(): void {
    this.#subscription = this.#connection.subscribe(`${this.#inbox}.*`, { callback: (_, message) => this.#hear(message) });
  }

  #pull(): void {
    const { slots } = this.#open;
    if (this.#stopped || this.#repairing || this.#probe !== undefined) return;
    const room = slots.most - this.#held - this.#asked;
    // Asking one by one would double the traffic; asking only when a quarter is free keeps the slots busy all the same.
    if (room <= 0 || (this.#asked > 0 && room * 4 < slots.most)) return;
    if (slots.plenty) slots.want(room);
    else if (this.#left > this.#asked) slots.want(Math.min(room, this.#left - this.#asked));
    else if (this.#asked === 0) this.#sendProbe();
  }

  #ask(count: number): void {
    const { slots } = this.#open;
    if (this.#stopped || this.#repairing) {
      slots.giveBack(count);
      return;
    }
    this.#asked += count;
    if (slots.plenty) this.#request({ batch: count, expires: nanosOf(REQUEST_EXPIRES_MS), idle_heartbeat: nanosOf(HEARTBEAT_MS) });
    else this.#request({ batch: count, expires: nanosOf(SHORT_REQUEST_MS) });
  }

  #sendProbe(): void {
    this.#probe = this.#request({ batch: 1, expires: nanosOf(REQUEST_EXPIRES_MS), idle_heartbeat: nanosOf(HEARTBEAT_MS) });
  }

  #request(request: { batch: number; expires: number; idle_heartbeat?: number }): number {
    this.#heardAt = performance.now();
    this.#connection.publish(this.#pullSubject, JSON.stringify(request), { reply: `${this.#inbox}.${++this.#requests}` });
    return this.#requests;
  }

  #forgetRequests(): void {
    this.#forgotten = this.#requests;
    this.#open.slots.want(0);
    this.#open.slots.giveBack(this.#asked);
    this.#asked = 0;
    this.#probe = undefined;
    this.#left = Number.POSITIVE_INFINITY;
  }

  #hear(message: Msg): void {
    this.#heardAt = performance.now();
    if (isDelivery(message.reply)) {
      this.#deliver(message); // its headers are a stranger's: reading them here may throw
      return;
    }
    const status = message.headers?.code ?? 0;
    if (status !== 100) this.#endOfRequest(status, message);
  }

  #deliver(message: Msg): void {
    const { lease, left } = leaseOf(message, this.#outbox);
    this.#left = left;
    if (!this.#takeSlot()) {
      lease.handBack(0);
      this.#left++;
      this.#pull();
      return;
    }
    this.#held++;
    if (this.#asked === 0 && !this.#open.slots.plenty) this.#pull();
    this.#open
      .onLease(lease)
      .catch((error: unknown) =>
        this.#log.error({ err: error, subject: lease.subject, command: lease.command }, 'a lease was dropped; it will be delivered again'),
      )
      .finally(() => this.#release());
  }

  /** False: nothing is free for a message of a probe, or of a request that was taken for lost and was answered after all. */
  #takeSlot(): boolean {
    const { slots } = this.#open;
    if (this.#asked > 0) {
      this.#asked--;
      return true;
    }
    this.#probe = undefined;
    return !this.#stopped && this.#held < slots.most && slots.takeOne();
  }

  /** What it wants next is said first where feeds compete: the slot that becomes free may be for itself. */
  #release(): void {
    const { slots } = this.#open;
    this.#held--;
    if (slots.plenty) {
      slots.giveBack(1);
      this.#pull();
    } else {
      this.#pull();
      slots.giveBack(1);
    }
  }

  /** 404 and 408: nothing (more) came in time. 409: the consumer is gone or moved. 503: there is none. */
  #endOfRequest(status: number, message: Msg): void {
    const request = Number(message.subject.slice(this.#inbox.length + 1));
    if (request <= this.#forgotten) return;
    if (request === this.#probe) this.#probe = undefined;
    else {
      const undelivered = Math.min(Number(message.headers?.get('Nats-Pending-Messages') || Number.POSITIVE_INFINITY), this.#asked);
      this.#asked -= undelivered;
      this.#open.slots.giveBack(undelivered);
    }
    this.#left = 0;
    if (status === 404 || status === 408) this.#pull();
    else this.#repair(`${status} ${message.headers?.description ?? ''}`);
  }

  #repair(reason: string): void {
    if (this.#stopped || this.#repairing) return; // each request that was waiting is told
    this.#repairing = true;
    this.#forgetRequests();
    this.#log.warn({ consumer: this.#consumer, reason }, 'pulling commands was interrupted; trying again');
    const retry = async () => {
      if (this.#stopped) return;
      try {
        await this.#declareConsumer();
        this.#repairing = false;
        this.#pull();
      } catch (error) {
        if (this.#connection.isClosed()) return;
        this.#log.debug({ err: error, consumer: this.#consumer }, 'the consumer could not be declared');
        setTimeout(() => void retry(), RETRY_MS).unref();
      }
    };
    setTimeout(() => void retry(), RETRY_MS).unref();
  }

  #checkAlive(): void {
    const waits = this.#asked > 0 || this.#probe !== undefined;
    if (!waits || performance.now() - this.#heardAt < 2 * HEARTBEAT_MS + RETRY_MS) return;
    this.#repair('the server has not been heard of');
  }

  /** Requests do not survive a connection. */
  async #watchConnection(): Promise<void> {
    for await (const status of this.#connection.status()) {
      if (this.#stopped) return;
      if (status.type !== 'reconnect' || this.#repairing) continue;
      this.#forgetRequests();
      this.#pull();
    }
  }
}
