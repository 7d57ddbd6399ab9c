/** What a holder may do with a delivered command, in the words of JetStream. */
import type { Msg } from '@nats-io/transport-node';
import { nanosOf } from '../../../streams/nanoseconds.ts';
import type { Instant } from '../../domain/ids.ts';
import type { Lease } from '../../runtime/ports.ts';
import { type DeliveryPosition, deliveryPosition } from './ack-subject.ts';
import { plainHeaders } from './message-headers.ts';
import type { Outbox } from './outbox.ts';

// Acknowledgements of the JetStream protocol: https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-15.md
const ACKNOWLEDGE = Buffer.from('+ACK');
const EXTEND = Buffer.from('+WPI');

/** `left`: how many commands of the lane come after it. */
export function leaseOf(message: Msg, outbox: Outbox): { lease: Lease; left: number } {
  const position = deliveryPosition(message.reply!);
  return { lease: new MessageLease(message, position, outbox), left: position.pending };
}

class MessageLease implements Lease {
  readonly subject: string;
  readonly command: number;
  readonly delivery: number;
  readonly publishedAt: Instant;
  readonly #message: Msg;
  readonly #outbox: Outbox;

  constructor(message: Msg, { sequence, delivery, storedAtMs }: DeliveryPosition, outbox: Outbox) {
    this.subject = message.subject;
    this.command = sequence;
    this.delivery = delivery;
    this.publishedAt = storedAtMs as Instant;
    this.#message = message;
    this.#outbox = outbox;
  }

  get body(): Uint8Array {
    return this.#message.data;
  }

  get headers(): Readonly<Record<string, string>> {
    return plainHeaders(() => this.#message.headers);
  }

  acknowledge(): void {
    this.#outbox.send(this.#message.reply!, ACKNOWLEDGE);
  }

  extend(): void {
    this.#outbox.send(this.#message.reply!, EXTEND);
  }

  handBack(delayMs: number): void {
    const text = delayMs > 0 ? `-NAK {"delay": ${nanosOf(Math.ceil(delayMs))}}` : '-NAK';
    this.#outbox.send(this.#message.reply!, Buffer.from(text));
  }
}
