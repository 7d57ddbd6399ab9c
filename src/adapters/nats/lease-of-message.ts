/** What a holder may do with a delivered command, in the words of JetStream. */
import type { Msg } from '@nats-io/transport-node';
import { nanosOf } from '../../../streams/nanoseconds.ts';
import type { Instant } from '../../domain/ids.ts';
import type { Lease } from '../../runtime/ports.ts';
import { deliveryPosition } from './ack-subject.ts';
import { plainHeaders } from './message-headers.ts';
import type { Outbox } from './outbox.ts';

// Acknowledgements of the JetStream protocol: https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-15.md
const ACKNOWLEDGE = Buffer.from('+ACK');
const EXTEND = Buffer.from('+WPI');

/** `left`: how many commands of the lane come after it. */
export function leaseOf(message: Msg, outbox: Outbox): { lease: Lease; left: number } {
  const reply = message.reply ?? '';
  const { delivery, sequence, storedAtMs, pending } = deliveryPosition(reply);
  const lease: Lease = {
    subject: message.subject,
    command: sequence,
    delivery,
    publishedAt: storedAtMs as Instant,
    body: message.data,
    get headers() {
      return plainHeaders(() => message.headers);
    },
    acknowledge: () => outbox.send(reply, ACKNOWLEDGE),
    extend: () => outbox.send(reply, EXTEND),
    handBack: (delayMs) => outbox.send(reply, Buffer.from(delayMs > 0 ? `-NAK {"delay": ${nanosOf(Math.ceil(delayMs))}}` : '-NAK')),
  };
  return { lease, left: pending };
}
