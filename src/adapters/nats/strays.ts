/**
 * Commands that no consumer will ever deliver: an unknown job type or lane, a misspelt verb, an id that is none. They lie in the work
 * queue for ever unless somebody looks, so somebody looks now and then and makes dead letters of them (invariant 6).
 */
import type { ConsumerInfo, JetStreamManager, StoredMsg } from '@nats-io/jetstream';
import { commands, parseCommandSubject, startSubject } from '../../../streams/commands.stream.ts';
import { LANES, type Lane, noSuchLane } from '../../domain/job-type.ts';
import { runNamedIn } from '../../domain/start-command.ts';
import type { Clock, DeadLetter, DeadLetters, Log } from '../../runtime/ports.ts';
import { deleteStored } from './delete-stored.ts';
import { plainHeaders } from './message-headers.ts';
import { nextCommand } from './next-command.ts';
import { removeSettled, renewStuckConsumers } from './stuck-consumers.ts';
import { matches } from './subject-filter.ts';

/** Looking costs two requests, and one for each command of a consumer that seems stuck. Tests look when they want to. */
export const SWEEP_EVERY_MS = 5_000;

/**
 * Resolves to the number of commands that became dead letters. Safe to run by many processes at once.
 *
 * @param known Job types of this process and their lanes: their commands are never strays, not even while somebody has deleted their consumer.
 */
export async function sweepStrays(
  manager: JetStreamManager,
  deadLetters: DeadLetters,
  log: Log,
  clock: Clock,
  known: ReadonlyMap<string, readonly Lane[]> = new Map(),
): Promise<number> {
  const info = await manager.streams.info(commands.name, { subjects_filter: '>' });
  const subjects = Object.keys(info.state.subjects ?? {});
  const consumers: ConsumerInfo[] = [];
  for await (const consumer of manager.consumers.list(commands.name)) consumers.push(consumer);
  await removeSettled(manager, consumers, info.state.subjects ?? {}, clock.now());
  await renewStuckConsumers(manager, consumers, info.state.subjects ?? {}, log, clock.now());
  // A job type or lane that is only known to a newer deployment has its consumer, and is not a stray.
  const filters = consumers.flatMap(({ config }) => config.filter_subjects ?? [config.filter_subject ?? '>']);
  const isTaken = (subject: string) => filters.some((filter) => matches(filter, subject)) || isKnown(subject, known);
  let swept = 0;
  for (const subject of subjects) {
    if (isTaken(subject)) continue;
    const why = reasonAgainst(subject, isTaken);
    for await (const message of messagesOn(manager, subject)) {
      if (!(await bury(manager, deadLetters, message, why))) continue;
      log.warn({ subject, command: message.seq, reason: why.reason }, 'nobody takes commands on this subject; it is a dead letter now');
      swept++;
    }
  }
  return swept;
}

function isKnown(subject: string, known: ReadonlyMap<string, readonly Lane[]>): boolean {
  const address = parseCommandSubject(subject);
  switch (address?.kind) {
    case 'start':
      return known.get(address.jobType)?.includes(address.lane) ?? false;
    case 'signal':
      return known.has(address.jobType);
    case 'wake':
    case 'schedule':
    case 'control':
      return true;
    case undefined:
      return false;
  }
}

interface Reason {
  readonly code: 'JOB_TYPE_UNKNOWN' | 'LANE_UNKNOWN' | 'COMMAND_SUBJECT_UNKNOWN';
  readonly reason: string;
}

function reasonAgainst(subject: string, isTaken: (subject: string) => boolean): Reason {
  const address = parseCommandSubject(subject);
  if (address === undefined) {
    const use = 'use cmd.<jobType>.start.<lane>, cmd.<jobType>.signal.<runId> or cmd.schedule.<scheduleId>';
    return { code: 'COMMAND_SUBJECT_UNKNOWN', reason: `${subject} is not a command subject: ${use}` };
  }
  if (address.kind === 'schedule' || address.kind === 'control')
    return { code: 'COMMAND_SUBJECT_UNKNOWN', reason: `no process takes commands for schedules` };
  const { jobType } = address;
  const lanes = LANES.filter((other) => isTaken(startSubject(jobType, other)));
  return address.kind !== 'start' || lanes.length === 0
    ? { code: 'JOB_TYPE_UNKNOWN', reason: `no process knows the job type of ${subject}` }
    : { code: 'LANE_UNKNOWN', reason: noSuchLane(jobType, address.lane, lanes) };
}

/** A subject that looks like a wildcard finds others, too: they are not meant. */
async function* messagesOn(manager: JetStreamManager, subject: string): AsyncGenerator<StoredMsg> {
  for (let seq = 1; ; ) {
    const message = await nextCommand(manager, subject, seq);
    if (message === null) return;
    if (message.subject === subject) yield message;
    seq = message.seq + 1;
  }
}

function aboutOf(subject: string, body: Uint8Array): Pick<DeadLetter, 'jobType' | 'runId'> {
  const address = parseCommandSubject(subject);
  if (address === undefined || address.kind === 'schedule' || address.kind === 'control') return { jobType: 'unknown' };
  return { jobType: address.jobType, runId: address.kind === 'start' ? runNamedIn(body) : undefined };
}

/** False: somebody else buried it at the same time. The letter is stored once all the same. */
async function bury(manager: JetStreamManager, deadLetters: DeadLetters, message: StoredMsg, why: Reason): Promise<boolean> {
  const { subject, seq, data } = message;
  await deadLetters.add({
    origin: 'command',
    ...aboutOf(subject, data),
    subject,
    sequence: seq,
    body: data,
    headers: plainHeaders(() => message.header),
    attempts: 0,
    ...why,
  });
  return deleteStored(manager, commands.name, seq);
}
