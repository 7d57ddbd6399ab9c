import { startSubject } from '../../../streams/commands.stream.ts';
import { UnconfirmedError } from '../../domain/errors.ts';
import type { CommandSender } from '../../runtime/ports.ts';
import type { Publisher } from './publisher.ts';

/** Commands onto the COMMANDS stream. Sending again after a lost answer is harmless: same message id, same run id (invariant 5). */
export const natsCommandSender = (publisher: Publisher): CommandSender => ({
  async start({ jobType, runId, lane, input, actor, messageId, replyTo, traceparent }) {
    const body = Buffer.from(JSON.stringify({ key: runId, input, actor }));
    const headers = { ...(replyTo && { 'Almanac-Reply-To': replyTo }), ...(traceparent && { traceparent }) };
    for (;;) {
      try {
        await publisher.publish(startSubject(jobType, lane), body, { messageId: messageId ?? `${jobType}/${runId}`, headers });
        return;
      } catch (error) {
        if (!(error instanceof UnconfirmedError)) throw error;
      }
    }
  },
});
