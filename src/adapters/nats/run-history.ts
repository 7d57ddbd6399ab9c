import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { events, parseRunEventSubject, runEventFilter, runEventSubject } from '../../../streams/events.stream.ts';
import type { JobTypeId, Sequence } from '../../domain/ids.ts';
import { readRunEvent } from '../../domain/run-event.ts';
import type { RunHistory } from '../../runtime/ports.ts';
import { readOrdered } from './ordered-reader.ts';
import { storedRunEvent } from './run-log.ts';

/** Reading the EVENTS stream. */
export const natsRunHistory = (connection: NatsConnection, manager: JetStreamManager): RunHistory => ({
  async read({ jobType, runId, since, until, lastPerRun, follow }, onEvent) {
    const read = {
      stream: events.name,
      subject: runEventFilter(jobType, runId),
      since: since === undefined ? undefined : new Date(since).toISOString(),
      lastPerSubject: lastPerRun,
      follow,
    };
    await readOrdered(connection, manager, read, (message) => {
      if (until !== undefined && message.storedAtMs > until) return 'stop'; // stored in order of time
      const address = parseRunEventSubject(message.subject);
      if (address === undefined) return undefined;
      return onEvent({ ...address, sequence: message.sequence as Sequence, event: readRunEvent(message.data), bytes: message.data });
    });
  },
  async first(jobType, run) {
    const message = await manager.direct.getMessage(events.name, { seq: 1, next_by_subj: runEventSubject(jobType, run) });
    return message === null ? undefined : storedRunEvent(message);
  },
  async jobTypesOf(run) {
    const info = await manager.streams.info(events.name, { subjects_filter: runEventFilter(undefined, run) });
    return Object.keys(info.state.subjects ?? {}).flatMap((subject): JobTypeId[] => {
      const address = parseRunEventSubject(subject);
      return address === undefined ? [] : [address.jobType];
    });
  },
});
