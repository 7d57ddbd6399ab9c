/** Dead letters: the original message with headers that say where it came from and why nobody could carry it out. */
import { deadLetterSubject } from '../../../streams/dead-letters.stream.ts';
import { UnconfirmedError } from '../../domain/errors.ts';
import type { DeadLetters } from '../../runtime/ports.ts';
import type { Publisher } from './publisher.ts';

/** A header value has no line breaks, and the whole of them must fit into the headroom of the stream. */
const headerText = (text: string) => text.replace(/[\r\n]+/g, ' | ').slice(0, 2_000);
/** These speak to the stream the message was sent to, not to this one. */
const TRANSPORT_HEADER = /^nats-/i;
const MAX_KEPT_HEADERS_BYTES = 4_000;

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
    };
    const subject = deadLetterSubject(letter.origin, letter.jobType);
    const messageId = `${letter.origin}:${letter.sequence}`;
    for (;;) {
      try {
        await publisher.publish(subject, letter.body, { messageId, headers });
        return;
      } catch (error) {
        // Sending again stores nothing twice: the message id is known to the stream.
        if (!(error instanceof UnconfirmedError)) throw error;
      }
    }
  },
});

function keptHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  const kept: Record<string, string> = {};
  let bytes = 0;
  for (const [name, value] of Object.entries(headers)) {
    const keptName = TRANSPORT_HEADER.test(name) ? `Almanac-Origin-${name}` : name;
    bytes += Buffer.byteLength(keptName) + Buffer.byteLength(value);
    if (bytes > MAX_KEPT_HEADERS_BYTES) break;
    kept[keptName] = headerText(value);
  }
  return kept;
}
