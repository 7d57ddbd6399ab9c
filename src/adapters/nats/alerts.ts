/** Alerts stand in the log as CloudEvents, between the events of the run they are about. */
import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { z } from 'zod';
import { alertFilter, alertSubject, events } from '../../../streams/events.stream.ts';
import type { Alert, AlertHistory, Alerts, Clock } from '../../runtime/ports.ts';
import { cloudEventBytes } from './cloud-event.ts';
import { readOrdered } from './ordered-reader.ts';
import { publishConfirmed } from './publish-confirmed.ts';
import type { Publisher } from './publisher.ts';

export interface AlertsParts {
  readonly publisher: Publisher;
  readonly manager: JetStreamManager;
  readonly clock: Pick<Clock, 'now'>;
  /** Of the events: this process. */
  readonly source: string;
}

/** An error's message may be of any length, an alert is for people. */
const MAX_SUMMARY_CHARACTERS = 16_000;

export const natsAlerts = ({ publisher, manager, clock, source }: AlertsParts): Alerts => ({
  async raise(alert) {
    const { rule, key, jobType, runId, summary, facts } = alert;
    const subject = alertSubject(rule, key);
    const id = identityOf(alert);
    // Tries are minutes apart, and the stream forgets message ids after two.
    const last = await manager.streams.getMessage(events.name, { last_by_subj: subject });
    if (last?.header.get('Nats-Msg-Id') === id) return;
    const bytes = cloudEventBytes({
      id,
      source,
      type: 'almanac.alert.raised',
      subject: `${jobType}/${runId}`,
      at: clock.now(),
      data: { rule, key, jobType, runId, summary: summary.slice(0, MAX_SUMMARY_CHARACTERS), facts },
    });
    await publishConfirmed(publisher, subject, bytes, { messageId: id });
  },
});

/** The same for whoever raises it, and another one once somebody has sent the command again. */
const identityOf = ({ rule, jobType, runId, facts: { command, state } }: Alert) => `alert:${rule}:${jobType}/${runId}:${command}:${state}`;

const StoredAlert = z.object({
  data: z.object({
    rule: z.string(),
    key: z.string(),
    jobType: z.string(),
    runId: z.string(),
    summary: z.string(),
    facts: z.looseObject({ code: z.string(), command: z.int(), state: z.enum(['held', 'laid-aside']) }),
  }),
});

export const natsAlertHistory = (connection: NatsConnection, manager: JetStreamManager): AlertHistory => ({
  async last(jobType, run, after) {
    let last: Alert | undefined;
    await readOrdered(connection, manager, { stream: events.name, subject: alertFilter(run) }, ({ data, position }) => {
      const alert = position.sequence > after ? parsed(data) : undefined;
      if (alert?.jobType === jobType) last = alert;
      return undefined;
    });
    return last;
  },
});

/** Undefined: somebody else wrote there. */
function parsed(bytes: Uint8Array): Alert | undefined {
  try {
    return StoredAlert.parse(JSON.parse(Buffer.from(bytes).toString())).data as Alert;
  } catch {
    return undefined;
  }
}
