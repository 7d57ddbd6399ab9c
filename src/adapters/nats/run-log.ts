/** The history of runs on the EVENTS stream: one subject a run, compare-and-set per subject. */
import type { JetStreamManager, StoredMsg } from '@nats-io/jetstream';
import { events, parseRunEventSubject, runEventSubject } from '../../../streams/events.stream.ts';
import type { Instant, JobTypeId, RunId, Sequence } from '../../domain/ids.ts';
import { parseRunEvent } from '../../domain/run-event.ts';
import type { RunLog, StoredRunEvent } from '../../runtime/ports.ts';
import { appendConfirmed } from './append.ts';
import type { Publisher } from './publisher.ts';

export const natsRunLog = (publisher: Publisher, manager: JetStreamManager): RunLog => ({
  append: (jobType, run, eventId, bytes, expected) =>
    appendConfirmed(publisher, manager, { subject: runEventSubject(jobType, run), eventId, bytes, expected }),
  async last(jobType, run, read) {
    const query = { last_by_subj: runEventSubject(jobType, run) };
    const message = await (read === 'fast' ? manager.direct : manager.streams).getMessage(events.name, query);
    return message === null ? undefined : storedRunEvent(message);
  },
  first: (jobType, run) => firstRunEvent(manager, jobType, run),
});

export async function firstRunEvent(manager: JetStreamManager, jobType: JobTypeId, run: RunId): Promise<StoredRunEvent | undefined> {
  const message = await manager.direct.getMessage(events.name, { seq: 1, next_by_subj: runEventSubject(jobType, run) });
  return message === null ? undefined : storedRunEvent(message);
}

function storedRunEvent(message: Pick<StoredMsg, 'subject' | 'seq' | 'data' | 'time'>): StoredRunEvent | undefined {
  const address = parseRunEventSubject(message.subject);
  if (address === undefined) return undefined;
  const storedAt = message.time.getTime() as Instant;
  return { ...address, sequence: message.seq as Sequence, storedAt, event: parseRunEvent(message.data), bytes: message.data };
}
