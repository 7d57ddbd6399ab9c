/**
 * What a server 2.9 that is killed may mix up, and newer servers put right themselves. Commands that were acknowledged lie in the work queue
 * all the same: it forgets that it removed them, but not that they were acknowledged, so it never delivers them again and never removes
 * them either. Or the other way round: commands that are gone count as held for ever, and keep places of those that may run at once.
 */
import type { ConsumerInfo, JetStreamManager, LastForMsgRequest } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
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

/**
 * Acknowledges what is gone and counts as held. Resolves to the number of acknowledgements: of most that is gone, the server knows already.
 * Safe to run by many processes at once, for what is not stored now never will be.
 */
export async function acknowledgeRemoved(connection: NatsConnection, manager: JetStreamManager): Promise<number> {
  const consumers: ConsumerInfo[] = [];
  for await (const consumer of manager.consumers.list(commands.name)) if (consumer.num_ack_pending > 0) consumers.push(consumer);
  if (consumers.length === 0) return 0;
  const { state } = await manager.streams.info(commands.name, { subjects_filter: '>' });
  let acknowledged = 0;
  for (const { name, config, num_pending, num_ack_pending, ack_floor, delivered } of consumers) {
    const filter = config.filter_subject;
    if (filter === undefined || countOf(state.subjects ?? {}, filter) >= num_pending + num_ack_pending) continue;
    let stored = await nextOf(manager, filter, ack_floor.stream_seq + 1);
    for (let seq = ack_floor.stream_seq + 1; seq <= delivered.stream_seq; seq++) {
      if (seq === stored) stored = await nextOf(manager, filter, seq + 1);
      else {
        connection.publish(`$JS.ACK.${commands.name}.${name}.1.${seq}.0.0.0`, '+ACK');
        acknowledged++;
      }
    }
  }
  return acknowledged;
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
