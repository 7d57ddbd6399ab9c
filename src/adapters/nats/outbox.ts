/**
 * Collects what is to be sent while the program decides, and hands it to the connection in one go, so that it leaves in few writes. The
 * client library writes at the end of every microtask, which under load is a system call for nearly every message.
 */
import type { NatsConnection, PublishOptions } from '@nats-io/transport-node';

interface Outgoing {
  readonly subject: string;
  readonly body: Uint8Array;
  readonly options: PublishOptions | undefined;
  readonly onRefused: ((error: Error) => void) | undefined;
}

/** So many make a write worth its system call. The server works on them while the program goes on deciding. */
const CHUNK = 32;
const outboxes = new WeakMap<NatsConnection, Outbox>();

export class Outbox {
  readonly #connection: NatsConnection;
  #outgoing: Outgoing[] = [];

  private constructor(connection: NatsConnection) {
    this.#connection = connection;
  }

  /** One for all who share a connection: that is the point of it. */
  static of(connection: NatsConnection): Outbox {
    const known = outboxes.get(connection);
    if (known !== undefined) return known;
    const outbox = new Outbox(connection);
    outboxes.set(connection, outbox);
    return outbox;
  }

  /** @param onRefused Told when the client library itself refuses the message, e.g. because it is too large for the server. */
  send(subject: string, body: Uint8Array, options?: PublishOptions, onRefused?: (error: Error) => void): void {
    const waiting = this.#outgoing.push({ subject, body, options, onRefused });
    if (waiting === 1) setImmediate(() => this.flush());
    else if (waiting === CHUNK) this.flush();
  }

  /** Sends at once what waits. To be called before the connection is closed. */
  flush(): void {
    const outgoing = this.#outgoing;
    this.#outgoing = [];
    for (const { subject, body, options, onRefused } of outgoing) {
      try {
        this.#connection.publish(subject, body, options);
      } catch (error) {
        onRefused?.(error as Error); // without one: the connection is closed, and an acknowledgement that is lost is asked for again
      }
    }
  }
}
