/**
 * One reply inbox for all requests of a connection that may be answered more than once and may take hours. The client library's own ends
 * a request with its first answer, and makes a timer for each.
 */
import { createInbox, type Msg, type NatsConnection } from '@nats-io/transport-node';

export interface RequestListener {
  heard(message: Msg): void;
  /** The connection broke or ended: an answer given meanwhile is lost. The request itself may have arrived. */
  lost(reason: string): void;
}

export interface OpenRequest {
  readonly replyTo: string;
  /** Nobody but who got the request knows this subject. */
  readonly cancelSubject: string;
  /** Whatever is answered from now on is ignored. */
  close(): void;
}

const inboxes = new WeakMap<NatsConnection, RequestInbox>();

export class RequestInbox {
  readonly #prefix: string;
  readonly #open = new Map<string, RequestListener>();
  #next = 0;
  #connected = true;

  private constructor(connection: NatsConnection) {
    this.#prefix = `${createInbox()}.`;
    connection.subscribe(`${this.#prefix}*`, {
      callback: (error, message) => {
        if (error !== null) this.#lose(`answers cannot be received: ${error.message}`);
        else this.#open.get(message.subject.slice(this.#prefix.length))?.heard(message);
      },
    });
    void this.#watch(connection);
  }

  /** One for all who share a connection. */
  static of(connection: NatsConnection): RequestInbox {
    const known = inboxes.get(connection);
    if (known !== undefined) return known;
    const inbox = new RequestInbox(connection);
    inboxes.set(connection, inbox);
    return inbox;
  }

  /** False: the client library would take a message and might never send it. */
  get connected(): boolean {
    return this.#connected;
  }

  open(listener: RequestListener): OpenRequest {
    const token = (this.#next++).toString(36);
    this.#open.set(token, listener);
    const replyTo = this.#prefix + token;
    return { replyTo, cancelSubject: `${replyTo}.cancel`, close: () => void this.#open.delete(token) };
  }

  #lose(reason: string): void {
    for (const listener of [...this.#open.values()]) listener.lost(reason);
  }

  async #watch(connection: NatsConnection): Promise<void> {
    for await (const { type } of connection.status()) {
      if (type === 'reconnect') this.#connected = true;
      if (type !== 'disconnect' && type !== 'close') continue;
      this.#connected = false;
      this.#lose(type === 'close' ? 'the connection to NATS was closed' : 'the connection to NATS broke');
    }
  }
}
