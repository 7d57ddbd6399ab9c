import type { NatsConnection } from '@nats-io/transport-node';
import type { JobTypeId, RunId } from '../../domain/ids.ts';
import type { Announcer } from '../../runtime/ports.ts';

/** Core NATS, not a stream: whoever looks sees it, nobody relies on it. `nats sub 'progress.>'` */
export const progressSubject = (jobType: JobTypeId, run: RunId) => `progress.${jobType}.${run}` as const;

export const natsAnnouncer = (connection: NatsConnection): Announcer => ({
  reject(replyTo, rejection) {
    // The address comes from a stranger: what the client refuses as a subject is not worth more than a dropped answer.
    if (/^[\x21-\x7e]+$/.test(replyTo) && !/[*>]/.test(replyTo)) connection.publish(replyTo, JSON.stringify(rejection));
  },
  progress(jobType, run, activityId, progress) {
    connection.publish(progressSubject(jobType, run), JSON.stringify({ activity: activityId, ...progress }));
  },
});
