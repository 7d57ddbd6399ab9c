/**
 * Commands that no consumer will ever deliver: an unknown job type, a misspelt verb, an id that is none. They lie in the work queue for
 * ever unless somebody looks, so somebody looks now and then and makes dead letters of them (invariant 6).
 */
import type { JetStreamManager, MsgRequest, StoredMsg } from '@nats-io/jetstream';
import { commands, parseCommandSubject } from '../../../streams/commands.stream.ts';
import type { DeadLetters, Log } from '../../runtime/ports.ts';
import { deleteStored } from './delete-stored.ts';
import { plainHeaders } from './message-headers.ts';

/** Looking costs two requests. Tests look when they want to. */
export const SWEEP_EVERY_MS = 5_000;

/**
 * Resolves to the number of commands that became dead letters. Safe to run by many processes at once.
 *
 * @param known Job types of this process: their commands are never strays, not even while somebody has deleted their consumer.
 */
export async function sweepStrays(
  manager: JetStreamManager,
  deadLetters: DeadLetters,
  log: Log,
  known: ReadonlySet<string> = new Set(),
): Promise<number> {
  const info = await manager.streams.info(commands.name, { subjects_filter: '>' });
  const subjects = Object.keys(info.state.subjects ?? {});
  if (subjects.length === 0) return 0;
  const filters: string[] = [];
  // A job type that is only known to a newer deployment has its consumer, and is not a stray.
  for await (const consumer of manager.consumers.list(commands.name)) filters.push(consumer.config.filter_subject ?? '>');
  let swept = 0;
  for (const subject of subjects) {
    if (filters.some((filter) => isMatch(filter, subject)) || isTaken(subject, known)) continue;
    for await (const message of messagesOn(manager, subject)) {
      if (!(await bury(manager, deadLetters, message))) continue;
      log.warn({ subject, command: message.seq }, 'nobody takes commands on this subject; it is a dead letter now');
      swept++;
    }
  }
  return swept;
}

/** Only the normal lane has takers so far. */
function isTaken(subject: string, known: ReadonlySet<string>): boolean {
  const address = parseCommandSubject(subject);
  switch (address?.kind) {
    case 'start':
      return address.lane === 'normal' && known.has(address.jobType);
    case 'signal':
      return known.has(address.jobType);
    case 'wake':
      return true;
    case undefined:
      return false;
  }
}

/** Whether a consumer with that filter delivers what is on that subject. Some servers deliver nothing whose subject has a wildcard in it. */
function isMatch(filter: string, subject: string): boolean {
  const [wanted, tokens] = [filter.split('.'), subject.split('.')];
  if (tokens.includes('*') || tokens.includes('>')) return false;
  if (wanted.at(-1) !== '>' && wanted.length !== tokens.length) return false;
  return wanted.every((token, at) => at < tokens.length && (token === '*' || token === '>' || token === tokens[at]));
}

/** A subject that looks like a wildcard finds others, too: they are not meant. */
async function* messagesOn(manager: JetStreamManager, subject: string): AsyncGenerator<StoredMsg> {
  for (let seq = 1; ; ) {
    const query = { seq, next_by_subj: subject }; // the server takes it here, too; the library's type does not say so
    const message = await manager.streams.getMessage(commands.name, query as MsgRequest);
    if (message === null) return;
    if (message.subject === subject) yield message;
    seq = message.seq + 1;
  }
}

/** False: somebody else buried it at the same time. The letter is stored once all the same. */
async function bury(manager: JetStreamManager, deadLetters: DeadLetters, message: StoredMsg): Promise<boolean> {
  const { subject, seq, data } = message;
  const address = parseCommandSubject(subject);
  const headers = plainHeaders(() => message.header);
  const known = address !== undefined;
  await deadLetters.add({
    origin: 'command',
    jobType: address?.jobType ?? 'unknown',
    subject,
    sequence: seq,
    body: data,
    headers,
    attempts: 0,
    code: known ? 'JOB_TYPE_UNKNOWN' : 'COMMAND_SUBJECT_UNKNOWN',
    reason: known
      ? `no process knows the job type or lane of ${subject}`
      : `${subject} is not a command subject: use cmd.<jobType>.start.<lane> or cmd.<jobType>.signal.<runId>`,
  });
  return deleteStored(manager, commands.name, seq);
}
