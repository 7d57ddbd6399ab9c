/**
 * What a server 2.9 that was killed gets wrong; newer ones put it right themselves. It may forget that it removed commands, but not that
 * they were acknowledged: then they lie in the work queue for ever, for it never delivers them again. Or it remembers commands as held
 * that are gone: then these keep their places among those that may run at once.
 */
import type { ConsumerInfo, JetStreamManager, StoredMsg } from '@nats-io/jetstream';
import { commands, parseCommandSubject } from '../../../streams/commands.stream.ts';
import { events, runEventSubject } from '../../../streams/events.stream.ts';
import type { Instant, RunId } from '../../domain/ids.ts';
import { readRunEvent } from '../../domain/run-event.ts';
import { commandForRun } from '../../domain/start-command.ts';
import { isFinal } from '../../domain/statechart/snapshot.ts';
import type { Log } from '../../runtime/ports.ts';
import { runMeantBy } from '../../runtime/start-request.ts';
import { deleteStored } from './delete-stored.ts';
import { plainHeaders } from './message-headers.ts';
import { nextCommand } from './next-command.ts';
import { matches } from './subject-filter.ts';

/** Whoever works on a command settles it as soon as its run has ended. */
const IDLE_MS = 5_000;
/** One request or two each. The next look goes on with what is left. */
const MOST_LOOKED_AT = 1_000;

/**
 * Removes commands that are settled. Safe to run by many processes at once.
 * @param stored How many commands there are of each subject. Counted before the consumers were asked.
 */
export async function removeSettled(
  manager: JetStreamManager,
  consumers: readonly ConsumerInfo[],
  stored: Readonly<Record<string, number>>,
  now: Instant,
): Promise<void> {
  for (const consumer of consumers) {
    const { config, num_pending, num_ack_pending, ack_floor, delivered } = consumer;
    const filter = config.filter_subject;
    if (filter === undefined || !isIdle(consumer, now) || countOf(stored, filter) <= num_pending + num_ack_pending) continue;
    // Everything up to there is acknowledged: what a holder works on, and what waits, comes after it. After a crash the floor may stay
    // where it was for ever, but where nobody holds anything, everything that was delivered is settled.
    const settledUpTo = num_ack_pending === 0 ? delivered.stream_seq : ack_floor.stream_seq;
    for await (const command of commandsUpTo(manager, filter, settledUpTo)) {
      const run = await liveRunOf(manager, command);
      if (run === undefined) await deleteStored(manager, commands.name, command.seq);
      else if (num_ack_pending === 0) await sendAgain(manager, command, run);
    }
  }
}

/**
 * Makes consumers anew that remember what is gone. One that has to do with a run that is on is left as it is, for the run would be carried
 * out a second time. Of other commands any may have been handed back for a while, so there it must be certain. The consumer for wakes
 * stays: they count their delays from their first delivery, and it has no limit.
 *
 * @param stored As for {@link removeSettled}.
 */
export async function renewStuckConsumers(
  manager: JetStreamManager,
  consumers: readonly ConsumerInfo[],
  stored: Readonly<Record<string, number>>,
  log: Log,
  now: Instant,
): Promise<void> {
  for (const consumer of consumers) {
    const { name, num_pending, num_ack_pending, delivered, config } = consumer;
    const filter = config.filter_subject ?? '';
    const kind = parseCommandSubject(filter.replace(/\*$/, 'any'))?.kind; // undefined of the one for wakes, which is for all job types
    if (kind === undefined || num_ack_pending === 0 || !isIdle(consumer, now)) continue;
    const remembersWhatIsGone = countOf(stored, filter) < num_pending + num_ack_pending;
    if (kind === 'start' ? await isOnLiveRuns(manager, filter, delivered.stream_seq) : !remembersWhatIsGone) continue;
    log.warn({ consumer: name, unacknowledged: num_ack_pending }, 'a consumer is stuck after a crash of the server; it is made anew');
    await manager.consumers.delete(commands.name, name);
    await manager.consumers.add(commands.name, config); // at once: without one, its commands would be taken for strays
  }
}

function countOf(stored: Readonly<Record<string, number>>, filter: string): number {
  let count = 0;
  for (const [subject, messages] of Object.entries(stored)) if (matches(filter, subject)) count += messages;
  return count;
}

/** Nothing was delivered or settled for a while, by the clock of this machine. */
function isIdle({ delivered, ack_floor }: ConsumerInfo, now: Instant): boolean {
  const lastActive = Math.max(
    ...[delivered, ack_floor].map(({ last_active }) => Number(last_active && new Date(last_active))).filter(Number.isFinite),
    0,
  );
  return now - lastActive > IDLE_MS;
}

/** Whether any of the commands that were delivered is of a run that is on; or there are too many to say. */
async function isOnLiveRuns(manager: JetStreamManager, filter: string, delivered: number): Promise<boolean> {
  let looked = 0;
  for (let command = await nextCommand(manager, filter, 1); command !== null && command.seq <= delivered; ) {
    if (++looked > MOST_LOOKED_AT || (await liveRunOf(manager, command)) !== undefined) return true;
    command = await nextCommand(manager, filter, command.seq + 1);
  }
  return false;
}

/** Looks at everything that is stored: the server may have lost a command from its index of subjects. */
async function* commandsUpTo(manager: JetStreamManager, filter: string, last: number): AsyncGenerator<StoredMsg> {
  let command = await nextCommand(manager, '>', 1);
  for (let looked = 0; command !== null && command.seq <= last && looked < MOST_LOOKED_AT; looked++) {
    if (matches(filter, command.subject)) yield command;
    command = await nextCommand(manager, '>', command.seq + 1);
  }
}

/**
 * The run that a command is for, if it has not begun, or is on. One that nobody can carry out is of no run: it is refused again, and that
 * is stored once. A parked run is held by nobody.
 */
async function liveRunOf(manager: JetStreamManager, { subject, seq, time, data, header }: StoredMsg): Promise<RunId | undefined> {
  const address = parseCommandSubject(subject);
  const stored = { subject, command: seq, publishedAt: time.getTime() as Instant, body: data, headers: plainHeaders(() => header) };
  const run = runMeantBy(stored);
  if (address?.kind !== 'start' || run === undefined) return undefined;
  const message = await manager.streams.getMessage(events.name, { last_by_subj: runEventSubject(address.jobType, run) });
  const event = message === null ? undefined : readRunEvent(message.data);
  const over = event !== undefined && (isFinal(event.data.snapshot) || event.data.parked !== undefined);
  return over ? undefined : run;
}

/** The server does not find it any more, though it has it. For the same run, so that having it twice is harmless (invariant 5). */
async function sendAgain(manager: JetStreamManager, { subject, seq, data, header }: StoredMsg, run: RunId): Promise<void> {
  const others = header === undefined ? {} : { headers: header };
  header?.delete('Nats-Msg-Id');
  await manager.jetstream().publish(subject, commandForRun(data, run), { ...others, msgID: `again-${seq}` });
  await deleteStored(manager, commands.name, seq);
}
