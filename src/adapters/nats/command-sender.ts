import type { JetStreamManager } from '@nats-io/jetstream';
import { commands, startSubject } from '../../../streams/commands.stream.ts';
import type { CommandSender, StartCommandMessage } from '../../runtime/ports.ts';
import { publishConfirmed } from './publish-confirmed.ts';
import type { Publisher, Stored } from './publisher.ts';

/** Commands onto the COMMANDS stream. Sending again after a lost answer is harmless: same message id, same run id (invariant 5). */
export function natsCommandSender(publisher: Publisher, manager: JetStreamManager): CommandSender {
  function send({ jobType, runId, lane, input, actor, messageId, replyTo, traceparent }: StartCommandMessage): Promise<Stored> {
    const body = Buffer.from(JSON.stringify({ key: runId, input, actor }));
    const headers = { ...(replyTo && { 'Almanac-Reply-To': replyTo }), ...(traceparent && { traceparent }) };
    return publishConfirmed(publisher, startSubject(jobType, lane), body, { messageId: messageId ?? `${jobType}/${runId}`, headers });
  }
  return {
    async start(command) {
      await send(command);
    },
    async startOnce(command) {
      const { duplicate, sequence } = await send(command);
      if (!duplicate) return {};
      const message = await manager.streams.getMessage(commands.name, { seq: sequence }); // a repeat is answered with the place of the first
      return { earlier: { body: message?.data ?? null } };
    },
  };
}
