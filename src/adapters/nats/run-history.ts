import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { events, parseRunEventSubject, runEventFilter } from '../../../streams/events.stream.ts';
import type { Instant, JobTypeId, Sequence } from '../../domain/ids.ts';
import { readRunEvent } from '../../domain/run-event.ts';
import type { RunHistory, StoredRunEvent } from '../../runtime/ports.ts';
import { type Delivered, readOrdered } from './ordered-reader.ts';
import { firstRunEvent } from './run-log.ts';

/** Reading the EVENTS stream. */
export const natsRunHistory = (connection: NatsConnection, manager: JetStreamManager): RunHistory => ({
  async read({ jobType, runId, since, until, lastPerRun, follow, onForeign }, onEvent) {
    const read = {
      stream: events.name,
      subject: runEventFilter(jobType, runId),
      since: since === undefined ? undefined : new Date(since).toISOString(),
      lastPerSubject: lastPerRun,
      follow,
    };
    await readOrdered(connection, manager, read, (message) => {
      if (until !== undefined && message.position.storedAtMs > until) return 'stop'; // stored in order of time
      const stored = storedIn(message);
      if (stored !== undefined) return onEvent(stored);
      onForeign?.({ subject: message.subject, sequence: message.position.sequence });
      return undefined;
    });
  },
  first: (jobType, run) => firstRunEvent(manager, jobType, run),
  async jobTypesOf(run) {
    const info = await manager.streams.info(events.name, { subjects_filter: runEventFilter(undefined, run) });
    return Object.keys(info.state.subjects ?? {}).flatMap((subject): JobTypeId[] => {
      const address = parseRunEventSubject(subject);
      return address === undefined ? [] : [address.jobType];
    });
  },
});

/** Undefined: somebody else's message on a subject of ours. */
function storedIn({ subject, position, data }: Delivered): StoredRunEvent | undefined {
  const address = parseRunEventSubject(subject);
  const event = address && readRunEvent(data);
  const { sequence, storedAtMs } = position;
  return event && { ...address, sequence: sequence as Sequence, storedAt: storedAtMs as Instant, event, bytes: data };
}
