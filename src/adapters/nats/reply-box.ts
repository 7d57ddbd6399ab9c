import { createInbox, type NatsConnection } from '@nats-io/transport-node';
import type { Progress } from '../../domain/activity.ts';
import type { ReplyBox } from '../../runtime/ports.ts';
import { progressSubject } from './announcer.ts';

export const natsReplyBox = (connection: NatsConnection): ReplyBox => ({
  open(jobType, run, onProgress) {
    const address = createInbox();
    const { promise: rejection, resolve } = Promise.withResolvers<{ code: string; reason: string }>();
    const subscriptions = [
      connection.subscribe(address, { max: 1, callback: (_, message) => resolve(message.json()) }),
      connection.subscribe(progressSubject(jobType, run), {
        callback: (_, message) => {
          const { activity, ...progress } = message.json<Progress & { activity: string }>();
          onProgress(activity, progress);
        },
      }),
    ];
    return {
      address,
      rejection,
      close() {
        for (const subscription of subscriptions) subscription.unsubscribe();
      },
    };
  },
});
