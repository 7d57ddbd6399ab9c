/** When all schedules stood still, on `evt.system.schedules`. */
import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { events, systemEventSubject } from '../../../streams/events.stream.ts';
import type { Sequence } from '../../domain/ids.ts';
import { NO_STANDSTILL, parseStandstill, storedStandstill } from '../../domain/schedule/standstill.ts';
import type { KnownStandstill, StandstillLog } from '../../runtime/ports.ts';
import { appendConfirmed } from './append.ts';
import { cloudEventBytes } from './cloud-event.ts';
import { type OrderedRead, readOrdered } from './ordered-reader.ts';
import type { Publisher } from './publisher.ts';

const subject = systemEventSubject('schedules');

export function natsStandstillLog(connection: NatsConnection, publisher: Publisher, manager: JetStreamManager): StandstillLog {
  const read = (what: Pick<OrderedRead, 'after' | 'follow'>, onChange: (known: KnownStandstill) => void) =>
    readOrdered(connection, manager, { stream: events.name, subject, ...what }, ({ data, position }) => {
      onChange({ state: parseStandstill(data), sequence: position.sequence as Sequence });
      return undefined;
    });
  return {
    async last() {
      const message = await manager.streams.getMessage(events.name, { last_by_subj: subject });
      return message === null
        ? { state: NO_STANDSTILL, sequence: 0 as Sequence }
        : { state: parseStandstill(message.data), sequence: message.seq as Sequence };
    },
    follow: (after, signal, onChange) => read({ after, follow: signal }, onChange),
    read: (onChange) => read({}, onChange),
    async append(state, { eventId, source, at, actor }, expected) {
      const type = state.now === undefined ? 'almanac.schedules.resumed' : 'almanac.schedules.paused';
      const data = { ...storedStandstill(state), ...(actor && { actor }) };
      const bytes = cloudEventBytes({ id: eventId, source, type, subject: 'schedules', at, data });
      return appendConfirmed(publisher, manager, { subject, eventId, bytes, expected });
    },
  };
}
