import { declaredStreams } from '../../../streams/index.ts';

const OUR_SUBJECTS: ReadonlySet<string | undefined> = new Set(
  declaredStreams.flatMap(({ subjects }) => subjects.map((subject) => subject.split('.')[0])),
);

/**
 * Whether what is published there goes to somebody who listens, and nowhere else: no event in a run's history, no command, no request to
 * the server (`$JS.API.STREAM.PURGE…`). To be asked of every subject that comes from outside.
 */
export function isOthersSubject(subject: string): boolean {
  return /^[\x21-\x7e]+$/.test(subject) && !/[*>]|^\$/.test(subject) && !OUR_SUBJECTS.has(subject.split('.')[0]);
}
