/**
 * What a server 2.9 that was killed gets wrong; newer ones put it right themselves. It may forget that it removed commands, but not that
 * they were acknowledged: then they lie in the work queue for ever, for it never delivers them again. Or it remembers commands as held
 * that are gone: then these keep their places among those that may run at once.
 */
import type { ConsumerInfo, JetStreamManager, LastForMsgRequest, StoredMsg } from '@nats-io/jetstream';
import { commands, parseCommandSubject } from '../../../streams/commands.stream.ts';
import { events, runEventSubject } from '../../../streams/events.stream.ts';
import type { Instant } from '../../domain/ids.ts';
import { readRunEvent } from '../../domain/run-event.ts';
import { isFinal } from '../../domain/statechart/snapshot.ts';
import type { Log } from '../../runtime/ports.ts';
import { runMeantBy } from '../../runtime/start-request.ts';
import { deleteStored } from './delete-stored.ts';
import { plainHeaders } from './message-headers.ts';
import { matches } from './subject-filter.ts';

/** Whoever works on a command settles it as soon as its run has ended. */
const IDLE_MS = 5_000;
/** One request each. */
const MOST_LOOKED_AT = 1_000;

/**
 * Removes commands that are settled. Safe to run by many processes at once.
 * @param stored How many commands there are of each subject. Counted before the consumers were asked.
 */
export async function removeSettled(
  manager: JetStreamManager,
  consumers: readonly ConsumerInfo[],
  stored: Readonly<Record<string, number>>,
): Promise<void> {
  for (const { config, num_pending, num_ack_pending, ack_floor, delivered } of consumers) {
    const filter = config.filter_subject;
    if (filter === undefined || countOf(stored, filter) <= num_pending + num_ack_pending) continue;
    // Everything up to there is acknowledged: what a holder works on, and what waits, comes after it. After a crash the floor may stay
    // where it was for ever, but where nobody holds anything, everything that was delivered is settled.
    const settledUpTo = num_ack_pending === 0 ? delivered.stream_seq : ack_floor.stream_seq;
    for (let next = await nextOf(manager, filter, 1); next !== null && next.seq <= settledUpTo; ) {
      await deleteStored(manager, commands.name, next.seq);
      next = await nextOf(manager, filter, next.seq + 1);
    }
  }
}

/**
 * Deletes consumers that remember what is gone: whoever pulls from one makes it anew, and a new one knows nothing of it. One that has to
 * do with a run that is on is left as it is, for the run would be carried out a second time. The consumer for wakes stays, too: they
 * count their delays from their first delivery, and it has no limit.
 */
export async function renewStuckConsumers(manager: JetStreamManager, consumers: readonly ConsumerInfo[], log: Log): Promise<void> {
  for (const consumer of consumers) {
    const { name, num_ack_pending, config } = consumer;
    const filter = config.filter_subject ?? '';
    const kind = parseCommandSubject(filter.replace(/\*$/, 'any'))?.kind; // undefined of the one for wakes, which is for all job types
    if (kind === undefined || num_ack_pending === 0 || !isIdle(consumer)) continue;
    if (kind === 'start' && !(await mayBeRenewed(manager, filter, consumer))) continue;
    log.warn({ consumer: name, unacknowledged: num_ack_pending }, 'a consumer is stuck after a crash of the server; it is made anew');
    await manager.consumers.delete(commands.name, name);
  }
}

function countOf(stored: Readonly<Record<string, number>>, filter: string): number {
  let count = 0;
  for (const [subject, messages] of Object.entries(stored)) if (matches(filter, subject)) count += messages;
  return count;
}

/** Nothing was delivered or settled for a while, by the clock of this machine. */
function isIdle({ delivered, ack_floor }: ConsumerInfo): boolean {
  const lastActive = Math.max(
    ...[delivered, ack_floor].map(({ last_active }) => Number(last_active && new Date(last_active))).filter(Number.isFinite),
    0,
  );
  return Date.now() - lastActive > IDLE_MS;
}

/** None of the commands that were delivered is of a run that is on, and the server finds all that were not: a new consumer will, too. */
async function mayBeRenewed(manager: JetStreamManager, filter: string, { delivered, num_pending }: ConsumerInfo): Promise<boolean> {
  let [looked, waiting] = [0, 0];
  for (let command = await nextOf(manager, filter, 1); command !== null; command = await nextOf(manager, filter, command.seq + 1)) {
    if (++looked > MOST_LOOKED_AT) return false;
    if (command.seq > delivered.stream_seq) waiting++;
    else if (await isOfLiveRun(manager, command)) return false;
  }
  return waiting === num_pending;
}

/** One that nobody can carry out is of no run: it is refused again, and that is stored once. A parked run is held by nobody. */
async function isOfLiveRun(manager: JetStreamManager, { subject, seq, time, data, header }: StoredMsg): Promise<boolean> {
  const address = parseCommandSubject(subject);
  const stored = { subject, command: seq, publishedAt: time.getTime() as Instant, body: data, headers: plainHeaders(() => header) };
  const run = runMeantBy(stored);
  if (address?.kind !== 'start' || run === undefined) return false;
  const message = await manager.streams.getMessage(events.name, { last_by_subj: runEventSubject(address.jobType, run) });
  const event = message === null ? undefined : readRunEvent(message.data);
  return event === undefined || !(isFinal(event.data.snapshot) || event.data.parked !== undefined);
}

function nextOf(manager: JetStreamManager, filter: string, seq: number): Promise<StoredMsg | null> {
  // The client's type leaves `next_by_subj` out, which this API has had since server 2.9.
  return manager.streams.getMessage(commands.name, { seq, next_by_subj: filter } as unknown as LastForMsgRequest);
}
