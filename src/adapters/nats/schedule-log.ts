/** Schedules in the EVENTS stream, on `evt.schedule.<id>`. */
import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { events, parseScheduleEventSubject, scheduleEventFilter, scheduleEventSubject } from '../../../streams/events.stream.ts';
import type { Instant, Sequence } from '../../domain/ids.ts';
import type { ScheduleLog, StoredScheduleEvent } from '../../runtime/ports.ts';
import { appendConfirmed } from './append.ts';
import { type OrderedRead, readOrdered } from './ordered-reader.ts';
import type { Publisher } from './publisher.ts';

export function natsScheduleLog(connection: NatsConnection, publisher: Publisher, manager: JetStreamManager): ScheduleLog {
  const read = (
    what: Pick<OrderedRead, 'subject' | 'lastPerSubject' | 'after' | 'since' | 'follow'>,
    onEvent: (stored: StoredScheduleEvent) => void,
  ) =>
    readOrdered(connection, manager, { stream: events.name, ...what }, ({ subject, data, position }) => {
      const id = parseScheduleEventSubject(subject);
      if (id === undefined) return undefined;
      const { sequence, storedAtMs } = position;
      onEvent({ id, sequence: sequence as Sequence, storedAt: storedAtMs as Instant, bytes: data });
      return undefined;
    });
  return {
    async follow(signal, onEvent) {
      let last = 0;
      const seen = (stored: StoredScheduleEvent) => {
        last = stored.sequence;
        onEvent(stored);
      };
      await read({ subject: scheduleEventFilter(), lastPerSubject: true }, seen);
      return { ended: read({ subject: scheduleEventFilter(), after: last, follow: signal }, onEvent) };
    },
    async last(id) {
      // From the leader: the next append is decided from it.
      const message = await manager.streams.getMessage(events.name, { last_by_subj: scheduleEventSubject(id) });
      return message === null
        ? undefined
        : { id, sequence: message.seq as Sequence, storedAt: message.time.getTime() as Instant, bytes: message.data };
    },
    read: (id, onEvent, since) =>
      read({ subject: scheduleEventSubject(id), since: since === undefined ? undefined : new Date(since).toISOString() }, onEvent),
    append: (id, eventId, bytes, expected) =>
      appendConfirmed(publisher, manager, { subject: scheduleEventSubject(id), eventId, bytes, expected }),
  };
}
