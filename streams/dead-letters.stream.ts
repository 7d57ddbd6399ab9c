import type { StreamConfig } from '@nats-io/jetstream';
import { DEAD_LETTER_ORIGINS, type DeadLetterOrigin } from '../src/domain/dead-letter.ts';
import { isSafeToken } from '../src/domain/ids.ts';
import type { DeclaredStream } from './declared-stream.ts';
import { nanosOf } from './nanoseconds.ts';

/** `max_payload` of nats.conf: headers and body of one message together. */
export const SERVER_MAX_PAYLOAD_BYTES = 1_048_576;
/** Room for the headers that say why. A dead letter is the original message plus these. */
export const DEAD_LETTER_HEADROOM_BYTES = 16_384;

/** Work that nobody could carry out, whole, with the reason. Kept until a person redrives or drops it (invariant 6). */
export const deadLetters = {
  name: 'DEAD_LETTERS',
  subjects: ['dlq.>'],
  retention: 'limits',
  storage: 'file',
  discard: 'new',
  max_age: 0,
  max_msg_size: -1,
  allow_direct: true,
  duplicate_window: nanosOf(2 * 60_000), // writing the same letter again after a lost answer stores nothing
} as const satisfies DeclaredStream & Partial<StreamConfig>;

/** Text that is no safe token (a hostile subject) is filed under `unknown`; the letter keeps the original subject in a header. */
export const deadLetterSubject = (origin: DeadLetterOrigin, jobType: string) =>
  `dlq.${origin}.${isSafeToken(jobType) ? jobType : 'unknown'}` as const;

/** Filter for letters: all of them, those of one origin, of one job type, or of both. */
export const deadLetterFilter = (origin?: DeadLetterOrigin, jobType?: string) =>
  origin === undefined && jobType === undefined ? 'dlq.>' : `dlq.${origin ?? '*'}.${jobType ?? '*'}`;

/** Undefined when the subject is none of ours. Never throws: anybody may publish below `dlq`. */
export function parseDeadLetterSubject(subject: string): { origin: DeadLetterOrigin; jobType: string } | undefined {
  const tokens = subject.split('.');
  const [root, from, jobType] = tokens;
  const origin = DEAD_LETTER_ORIGINS.find((name) => name === from);
  if (tokens.length !== 3 || root !== 'dlq' || origin === undefined || !isSafeToken(jobType!)) return undefined;
  return { origin, jobType: jobType! };
}
