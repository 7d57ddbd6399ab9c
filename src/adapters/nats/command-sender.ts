import { randomUUID } from 'node:crypto';
import type { JetStreamManager } from '@nats-io/jetstream';
import {
  commands,
  controlSubject,
  DUPLICATE_WINDOW_MS,
  scheduleCommandSubject,
  signalSubject,
  startSubject,
  wakeSubject,
} from '../../../streams/commands.stream.ts';
import type { CommandSender, StartCommandMessage } from '../../runtime/ports.ts';
import { publishConfirmed } from './publish-confirmed.ts';
import type { Publisher, Stored } from './publisher.ts';

interface Command {
  readonly subject: string;
  readonly body: object;
  /** @default one that no other command has: sending again after a lost answer stores nothing, another command is another one */
  readonly messageId?: string | undefined;
  readonly replyTo?: string | undefined;
  readonly traceparent?: string | undefined;
}

/** Commands onto the COMMANDS stream. Sending again after a lost answer is harmless: same message id, same run id (invariant 5). */
export function natsCommandSender(publisher: Publisher, manager: JetStreamManager): CommandSender {
  function send({ subject, body, messageId = randomUUID(), replyTo, traceparent }: Command): Promise<Stored> {
    const headers = { ...(replyTo && { 'Almanac-Reply-To': replyTo }), ...(traceparent && { traceparent }) };
    return publishConfirmed(publisher, subject, Buffer.from(JSON.stringify(body)), { messageId, headers });
  }
  function start({ jobType, runId, lane, input, actor, parent, messageId, replyTo, traceparent }: StartCommandMessage): Promise<Stored> {
    const subject = startSubject(jobType, lane);
    const body = { key: runId, input, actor, parent };
    return send({ subject, body, messageId: messageId ?? `${jobType}/${runId}`, replyTo, traceparent });
  }
  return {
    async start(command) {
      const { sequence } = await start(command); // a repeat is answered with the place of the first
      return sequence;
    },
    async startOnce(command) {
      const { duplicate, sequence } = await start(command);
      if (!duplicate) return {};
      const message = await manager.streams.getMessage(commands.name, { seq: sequence });
      return { earlier: { body: message?.data ?? null } };
    },
    async again({ jobType, runId }, how, { lane, actor, replyTo } = {}) {
      await send({ subject: startSubject(jobType, lane), body: { key: runId, again: how, actor }, replyTo });
    },
    async wake({ jobType, runId }, wake) {
      // A run is parked again and again until the same time, and one wake is enough. An earlier one that its repeat would meet still waits.
      const messageId = wake.forMs > 2 * DUPLICATE_WINDOW_MS ? `${jobType}/${runId}/wake/${wake.until}` : undefined;
      await send({ subject: wakeSubject(jobType, runId), body: wake, messageId });
    },
    async schedule(schedule, body, { replyTo } = {}) {
      await send({ subject: scheduleCommandSubject(schedule), body, replyTo });
    },
    async control(body, { replyTo } = {}) {
      await send({ subject: controlSubject, body, replyTo });
    },
    startSubject,
    async signal({ jobType, runId }, { event, actor, optional, messageId, replyTo }) {
      await send({ subject: signalSubject(jobType, runId), body: { event, actor, optional }, messageId, replyTo });
    },
  };
}
