/** Appending with compare-and-set, where a lost answer is resolved by reading back (invariant 2). */
import { JetStreamApiError, type JetStreamManager, type LastForMsgRequest } from '@nats-io/jetstream';
import { events } from '../../../streams/events.stream.ts';
import { StorageRefusedError, UnconfirmedError, VersionConflictError } from '../../domain/errors.ts';
import type { Sequence } from '../../domain/ids.ts';
import type { Publisher } from './publisher.ts';

export interface Append {
  readonly subject: string;
  /** The CloudEvents id inside `bytes`. */
  readonly eventId: string;
  readonly bytes: Uint8Array;
  readonly expected: Sequence;
}

/**
 * Sends until the stream has answered for certain. Sending again is safe: the first copy that arrives moves the subject past
 * `expected`, so the second is refused, and reading back then tells whose event it was that moved it.
 *
 * @throws {VersionConflictError} Somebody else's event stands after `expected`.
 * @throws {StorageRefusedError} Refused and not stored.
 */
export async function appendConfirmed(publisher: Publisher, manager: JetStreamManager, append: Append): Promise<Sequence> {
  let uncertain = false;
  for (;;) {
    try {
      const { sequence } = await publisher.publish(append.subject, append.bytes, { expectedSequence: append.expected });
      return sequence;
    } catch (error) {
      if (error instanceof UnconfirmedError) {
        uncertain = true; // the publisher holds the next attempt back until there is a connection again
        continue;
      }
      // A refusal of this copy, whatever the reason, says nothing about an earlier one.
      if (!uncertain || !(error instanceof VersionConflictError || error instanceof StorageRefusedError)) throw error;
      const mine = await sequenceOfMine(manager, append);
      if (mine === 'unanswered') continue;
      if (mine === undefined) throw error;
      return mine;
    }
  }
}

/** The first event after `expected` decides: everything later was built upon it. */
async function sequenceOfMine(manager: JetStreamManager, append: Append): Promise<Sequence | undefined | 'unanswered'> {
  const { subject, eventId, expected } = append;
  // Asks the leader, not a replica. The client's type leaves `next_by_subj` out, which this API has had since server 2.9.
  const query = { seq: expected + 1, next_by_subj: subject } as unknown as LastForMsgRequest;
  try {
    const next = await manager.streams.getMessage(events.name, query);
    return next !== null && next.json<{ id?: string }>().id === eventId ? (next.seq as Sequence) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined; // somebody else's, and not even an event
    if (error instanceof JetStreamApiError) throw error;
    return 'unanswered'; // the connection has broken again
  }
}
