/** The ledger of occurrences on `evt.schedule.<id>`. */
import type { JetStreamManager } from '@nats-io/jetstream';
import { ulid } from 'ulid';
import { z } from 'zod';
import { events, scheduleEventSubject } from '../../../streams/events.stream.ts';
import { instant, type Sequence } from '../../domain/ids.ts';
import type { ScheduleLog } from '../../runtime/ports.ts';
import { appendConfirmed } from './append.ts';
import { cloudEventBytes } from './cloud-event.ts';
import type { Publisher } from './publisher.ts';

const Occurrence = z.looseObject({ data: z.looseObject({ dueAt: z.iso.datetime() }) });

export const natsScheduleLog = (publisher: Publisher, manager: JetStreamManager, source: string): ScheduleLog => ({
  async last(schedule) {
    // From the leader: the next append is decided from it.
    const message = await manager.streams.getMessage(events.name, { last_by_subj: scheduleEventSubject(schedule) });
    if (message === null) return undefined;
    const { data } = Occurrence.parse(message.json());
    return { dueAt: instant(Date.parse(data.dueAt)), sequence: message.seq as Sequence };
  },
  recordStarted(schedule, { dueAt, runId, jobType, at }, expected) {
    const eventId = ulid();
    const bytes = cloudEventBytes({
      id: eventId,
      source,
      type: 'almanac.occurrence.started',
      subject: `schedule/${schedule}`,
      at,
      data: { dueAt: new Date(dueAt).toISOString(), jobType, runId, lateMs: at - dueAt },
    });
    return appendConfirmed(publisher, manager, { subject: scheduleEventSubject(schedule), eventId, bytes, expected });
  },
});
