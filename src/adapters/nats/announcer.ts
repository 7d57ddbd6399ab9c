import type { NatsConnection } from '@nats-io/transport-node';
import type { JobTypeId, RunId } from '../../domain/ids.ts';
import type { Announcer, RunAddress, RunNews } from '../../runtime/ports.ts';
import { isOthersSubject } from './others-subject.ts';

const MOVED_SUBJECTS = 'moved.*.*';
const movedSubject = ({ jobType, runId }: RunAddress) => `moved.${jobType}.${runId}` as const;

/** Core NATS, not a stream: whoever looks sees it, nobody relies on it. `nats sub 'progress.>'` */
export const progressSubject = (jobType: JobTypeId, run: RunId) => `progress.${jobType}.${run}` as const;

export const natsAnnouncer = (connection: NatsConnection): Announcer => ({
  reject(replyTo, rejection) {
    // The address comes from a stranger, who may have no right to send where it points.
    if (isOthersSubject(replyTo)) connection.publish(replyTo, JSON.stringify(rejection));
  },
  accept(replyTo, accepted) {
    if (isOthersSubject(replyTo)) connection.publish(replyTo, JSON.stringify(accepted));
  },
  moved(run) {
    connection.publish(movedSubject(run));
  },
  progress(jobType, run, activityId, progress) {
    connection.publish(progressSubject(jobType, run), JSON.stringify({ activity: activityId, ...progress }));
  },
});

export const natsRunNews = (connection: NatsConnection): RunNews => ({
  listen(onMoved, onMissed) {
    let stopped = false;
    const subscription = connection.subscribe(MOVED_SUBJECTS, {
      callback: (_, { subject }) => {
        const [, jobType, runId] = subject.split('.') as [string, JobTypeId, RunId];
        onMoved({ jobType, runId });
      },
    });
    void (async () => {
      for await (const { type } of connection.status()) {
        if (stopped) return;
        if (type === 'reconnect') onMissed();
      }
    })();
    return {
      stop() {
        stopped = true;
        subscription.unsubscribe();
      },
    };
  },
});
