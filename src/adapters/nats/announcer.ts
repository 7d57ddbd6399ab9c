import type { NatsConnection } from '@nats-io/transport-node';
import type { JobTypeId, RunId } from '../../domain/ids.ts';
import type { Announcer } from '../../runtime/ports.ts';
import { isOthersSubject } from './others-subject.ts';

/** Core NATS, not a stream: whoever looks sees it, nobody relies on it. `nats sub 'progress.>'` */
export const progressSubject = (jobType: JobTypeId, run: RunId) => `progress.${jobType}.${run}` as const;

export const natsAnnouncer = (connection: NatsConnection): Announcer => ({
  reject(replyTo, rejection) {
    // The address comes from a stranger, who may have no right to send where it points.
    if (isOthersSubject(replyTo)) connection.publish(replyTo, JSON.stringify(rejection));
  },
  progress(jobType, run, activityId, progress) {
    connection.publish(progressSubject(jobType, run), JSON.stringify({ activity: activityId, ...progress }));
  },
});
