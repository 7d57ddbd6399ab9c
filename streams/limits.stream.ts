import type { StreamConfig } from '@nats-io/jetstream';
import type { JobTypeId } from '../src/domain/ids.ts';
import type { DeclaredStream } from './declared-stream.ts';
import { nanosOf } from './nanoseconds.ts';

/**
 * What the replicas must know of each other to keep a rate together: one small message a job type, of which only the last counts. On
 * disk, because a rate of some runs a day must outlive a restart of the server.
 */
export const limits = {
  name: 'LIMITS',
  subjects: ['limit.>'],
  retention: 'limits',
  storage: 'file',
  discard: 'new',
  max_age: 0,
  max_msg_size: 1_024,
  max_msgs_per_subject: 1,
  duplicate_window: nanosOf(2 * 60_000),
} as const satisfies DeclaredStream & Partial<StreamConfig>;

export const rateSubject = (jobType: JobTypeId) => `limit.rate.${jobType}` as const;
