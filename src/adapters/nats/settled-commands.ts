/**
 * Commands that were acknowledged and lie in the work queue all the same: a server 2.9 that is killed may forget that it removed them, but
 * not that they were acknowledged, so it never delivers them again and never removes them either. Newer servers put this right themselves.
 */
import type { ConsumerInfo, JetStreamManager, LastForMsgRequest } from '@nats-io/jetstream';
import { commands } from '../../../streams/commands.stream.ts';
import { deleteStored } from './delete-stored.ts';
import { matches } from './subject-filter.ts';

/**
 * Removes them. Resolves to their number. Safe to run by many processes at once.
 * @param stored How many commands there are of each subject. Counted before the consumers were asked.
 */
export async function removeSettled(
  manager: JetStreamManager,
  consumers: readonly ConsumerInfo[],
  stored: Readonly<Record<string, number>>,
): Promise<number> {
  let removed = 0;
  for (const { config, num_pending, num_ack_pending, ack_floor, delivered } of consumers) {
    const filter = config.filter_subject;
    if (filter === undefined || countOf(stored, filter) <= num_pending + num_ack_pending) continue;
    // Everything up to there is acknowledged: what a holder works on, and what waits, comes after it. After a crash the floor may stay
    // where it was for ever, but where nobody holds anything, everything that was delivered is settled.
    const settledUpTo = num_ack_pending === 0 ? delivered.stream_seq : ack_floor.stream_seq;
    for (let seq = await nextOf(manager, filter, 1); seq <= settledUpTo; seq = await nextOf(manager, filter, seq + 1)) {
      if (await deleteStored(manager, commands.name, seq)) removed++;
    }
  }
  return removed;
}

function countOf(stored: Readonly<Record<string, number>>, filter: string): number {
  let count = 0;
  for (const [subject, messages] of Object.entries(stored)) if (matches(filter, subject)) count += messages;
  return count;
}

async function nextOf(manager: JetStreamManager, filter: string, seq: number): Promise<number> {
  // The client's type leaves `next_by_subj` out, which this API has had since server 2.9.
  const message = await manager.streams.getMessage(commands.name, { seq, next_by_subj: filter } as unknown as LastForMsgRequest);
  return message?.seq ?? Number.POSITIVE_INFINITY;
}
