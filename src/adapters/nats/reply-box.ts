import { createInbox, type NatsConnection } from '@nats-io/transport-node';
import type { Progress } from '../../domain/activity.ts';
import type { ReplyBox } from '../../runtime/ports.ts';
import { progressSubject } from './announcer.ts';

export const natsReplyBox = (connection: NatsConnection): ReplyBox => ({
  open(jobType, run, onProgress) {
    const address = createInbox();
    const rejection = Promise.withResolvers<{ code: string; reason: string }>();
    const acceptance = Promise.withResolvers<{ state: string; outcome: string | null }>();
    const subscriptions = [
      connection.subscribe(address, {
        max: 1,
        callback: (_, message) => {
          const answer = message.json<object>();
          if ('code' in answer) rejection.resolve(answer as never);
          else acceptance.resolve(answer as never);
        },
      }),
      connection.subscribe(progressSubject(jobType, run), {
        callback: (_, message) => {
          const { activity, ...progress } = message.json<Progress & { activity: string }>();
          onProgress(activity, progress);
        },
      }),
    ];
    return {
      address,
      rejection: rejection.promise,
      acceptance: acceptance.promise,
      close() {
        for (const subscription of subscriptions) subscription.unsubscribe();
      },
    };
  },
});
