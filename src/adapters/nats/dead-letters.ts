/** Dead letters: the original message with headers that say where it came from and why nobody could carry it out. */
import { deadLetterSubject } from '../../../streams/dead-letters.stream.ts';
import type { DeadLetters } from '../../runtime/ports.ts';
import { publishConfirmed } from './publish-confirmed.ts';
import type { Publisher } from './publisher.ts';

/** A header value has no line breaks, and the whole of them must fit into the headroom of the stream. */
const headerText = (text: string, most = MAX_HEADER_CHARACTERS) => text.replace(/[\r\n]+/g, LINE_END).slice(0, most);
const LINE_END = ' | ';
/** Text that is as long as this may have been longer. */
export const MAX_HEADER_CHARACTERS = 2_000;
/** These speak to the stream the message was sent to, not to this one. */
const TRANSPORT_HEADER = /^nats-/i;
const MAX_KEPT_HEADERS_BYTES = 4_000;
/** Only runs have one, and their subjects are short. */
const MAX_STACK_BYTES = 4_000;

export const natsDeadLetters = (publisher: Publisher): DeadLetters => ({
  async add(letter) {
    const headers = {
      ...keptHeaders(letter.headers),
      'Almanac-Reason-Code': letter.code,
      'Almanac-Reason': headerText(letter.reason),
      'Almanac-Origin-Subject': headerText(letter.subject),
      'Almanac-Origin-Sequence': String(letter.sequence),
      'Almanac-Attempts': String(letter.attempts),
      ...(letter.runId && { 'Almanac-Run-Id': letter.runId }),
      ...(letter.stack && { 'Almanac-Stack': stackText(letter.stack) }),
    };
    const subject = deadLetterSubject(letter.origin, letter.jobType);
    const messageId = `${letter.origin}:${letter.jobType}:${letter.runId ?? ''}:${letter.sequence}`;
    await publishConfirmed(publisher, subject, letter.body, { messageId, headers });
  },
});

const stackText = (stack: string) => Buffer.from(headerText(stack, MAX_STACK_BYTES)).subarray(0, MAX_STACK_BYTES).toString();
/** Its lines as they were. */
export const stackLines = (header: string) => header.replaceAll(LINE_END, '\n');

function keptHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  const kept: Record<string, string> = {};
  let bytes = 0;
  for (const [name, value] of Object.entries(headers)) {
    if (OURS.test(name)) continue; // a sender does not say what a letter is about
    const keptName = TRANSPORT_HEADER.test(name) ? `Almanac-Origin-${name}` : name;
    bytes += Buffer.byteLength(keptName) + Buffer.byteLength(value);
    if (bytes > MAX_KEPT_HEADERS_BYTES) break;
    kept[keptName] = headerText(value);
  }
  return kept;
}

/** What a letter itself says. */
const OURS = /^almanac-(reason(-code)?|origin-.+|attempts|run-id|stack)$/i;

/**
 * The other way round: of a letter's headers, those that the sender of the original message gave it. Without those of its first sending that
 * speak to the stream: what one expected or allowed then is no business of now.
 */
export const senderHeaders = (letter: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(letter).filter(([name]) => !OURS.test(name) && !TRANSPORT_HEADER.test(name)));
