/** Dead letters as people meet them: looked at, sent again, removed. What happens to one is in the log before it is gone. */
import { createHash } from 'node:crypto';
import type { JetStreamManager } from '@nats-io/jetstream';
import type { MsgHdrs, NatsConnection } from '@nats-io/transport-node';
import { ulid } from 'ulid';
import { isCommandSubject, parseCommandSubject } from '../../../streams/commands.stream.ts';
import { deadLetterFilter, deadLetters, parseDeadLetterSubject } from '../../../streams/dead-letters.stream.ts';
import { systemEventSubject } from '../../../streams/events.stream.ts';
import { type Instant, instant, isSafeToken, type RunId } from '../../domain/ids.ts';
import type { DeadLetterBox, StoredDeadLetter } from '../../runtime/ports.ts';
import { cloudEventBytes } from './cloud-event.ts';
import { MAX_HEADER_CHARACTERS, senderHeaders, stackLines } from './dead-letters.ts';
import { deleteStored } from './delete-stored.ts';
import { plainHeaders } from './message-headers.ts';
import { readOrdered } from './ordered-reader.ts';
import { publishConfirmed } from './publish-confirmed.ts';
import type { Publisher } from './publisher.ts';

export interface DeadLetterBoxParts {
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  readonly publisher: Publisher;
  /** Of the events: this process. */
  readonly source: string;
}

export const natsDeadLetterBox = ({ connection, manager, publisher, source }: DeadLetterBoxParts): DeadLetterBox => ({
  async read({ origin, jobType, code }, part, onLetter) {
    const read = { stream: deadLetters.name, subject: deadLetterFilter(origin, jobType), headersOnly: part === 'head' };
    await readOrdered(connection, manager, read, ({ subject, data, position, headers }) => {
      const letter = letterOf(subject, position.sequence, instant(position.storedAtMs), data, headers);
      if (code === undefined || letter.code === code) onLetter(letter);
      return undefined;
    });
  },
  async get(id) {
    // From the leader: what a replica still has may have been sent again a moment ago.
    const message = await manager.streams.getMessage(deadLetters.name, { seq: id });
    return message === null
      ? undefined
      : letterOf(message.subject, message.seq, instant(message.time.getTime()), message.data, () => message.header);
  },
  async sendAgain(letter, body) {
    if (!letter.sendable) throw new TypeError(`dead letter ${letter.id} cannot be sent to ${letter.subject}`);
    await publishConfirmed(publisher, letter.subject!, body, {
      messageId: markOf('redrive', letter),
      headers: senderHeaders(letter.headers),
    });
  },
  async record(letter, what, actor, at) {
    const { id, origin, jobType, runId, code, reason, subject, sequence, storedAt, attempts, body } = letter;
    const bytes = cloudEventBytes({
      id: ulid(),
      source,
      type: `almanac.dead-letter.${what}`,
      subject: `dead-letter/${id}`,
      at,
      data: {
        ...{ letter: id, storedAt: new Date(storedAt).toISOString(), origin, jobType, runId, code, reason, attempts },
        ...{ originSubject: subject, originSequence: sequence, bodySha256: createHash('sha256').update(body).digest('hex') },
        actor,
      },
    });
    await publishConfirmed(publisher, systemEventSubject(`dead-letter-${what}`), bytes, { messageId: markOf(what, letter) });
  },
  remove: (id) => deleteStored(manager, deadLetters.name, id),
});

/** The same for whoever does it. The time keeps it apart from a letter of that number in a stream that was deleted and made again. */
const markOf = (what: string, { id, storedAt }: StoredDeadLetter) => `${what}:${id}:${storedAt}`;

function letterOf(
  letterSubject: string,
  id: number,
  storedAt: Instant,
  body: Uint8Array,
  readHeaders: () => MsgHdrs | undefined,
): StoredDeadLetter {
  const headers = plainHeaders(readHeaders);
  const { origin = null, jobType = null } = parseDeadLetterSubject(letterSubject) ?? {};
  const subject = headers['Almanac-Origin-Subject'] ?? null;
  const { 'Almanac-Run-Id': runId, 'Almanac-Stack': stack } = headers;
  return {
    id,
    storedAt,
    origin,
    jobType,
    runId: runId !== undefined && isSafeToken(runId) ? (runId as RunId) : null,
    code: headers['Almanac-Reason-Code'] ?? null,
    reason: headers['Almanac-Reason'] ?? null,
    stack: stack === undefined ? null : stackLines(stack),
    attempts: numberIn(headers['Almanac-Attempts']),
    subject,
    sequence: numberIn(headers['Almanac-Origin-Sequence']),
    sendable: subject !== null && isSendable(subject, origin, jobType),
    headers,
    body,
  };
}

/** A letter may have been written by a stranger: nothing but a command is ever sent where it says, and of its own kind. */
function isSendable(subject: string, origin: StoredDeadLetter['origin'], jobType: string | null): boolean {
  if (origin === null || subject.length >= MAX_HEADER_CHARACTERS || !isCommandSubject(subject)) return false; // as long as that, it was cut
  if (origin === 'command') return true;
  const address = parseCommandSubject(subject);
  return address?.kind === (origin === 'run' ? 'start' : 'signal') && address.jobType === jobType;
}

const numberIn = (text = ''): number | null => (/^\d{1,15}$/.test(text) ? Number(text) : null);
