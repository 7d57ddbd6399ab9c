import type { StreamConfig } from '@nats-io/jetstream';
import { isSafeToken, type JobTypeId, type RunId, type ScheduleId } from '../src/domain/ids.ts';
import type { DeclaredStream } from './declared-stream.ts';
import { nanosOf } from './nanoseconds.ts';

/** The truth (invariant 1): every decision about every run and schedule, in one total order. Nothing in it expires or can be removed. */
export const events = {
  name: 'EVENTS',
  subjects: ['evt.>'],
  retention: 'limits',
  storage: 'file',
  discard: 'new', // when full, refuse an append rather than forget one
  max_age: 0,
  max_msg_size: -1,
  deny_delete: true,
  deny_purge: true,
  allow_direct: true, // loading a run is one direct get
  duplicate_window: nanosOf(2 * 60_000),
} as const satisfies DeclaredStream & Partial<StreamConfig>;

export const runEventSubject = (jobType: JobTypeId, run: RunId) => `evt.run.${jobType}.${run}` as const;
export const scheduleEventSubject = (schedule: ScheduleId) => `evt.schedule.${schedule}` as const;
/** Filter for all schedules. */
export const scheduleEventFilter = () => 'evt.schedule.*' as const;
const SCHEDULE_EVENT_SUBJECT = /^evt\.schedule\.([^.]+)$/;
/** Undefined when the subject is not a schedule's. Never throws. */
export function parseScheduleEventSubject(subject: string): ScheduleId | undefined {
  const id = SCHEDULE_EVENT_SUBJECT.exec(subject)?.[1];
  return id !== undefined && isSafeToken(id) ? (id as ScheduleId) : undefined;
}
/** What people and the program itself did beside runs and schedules, for the audit. */
export const systemEventSubject = (what: 'dead-letter-redriven' | 'dead-letter-dropped' | 'breaker' | 'schedules') =>
  `evt.system.${what}` as const;

/** What a person should look at: which rule says so, and about whom. Both are safe tokens. */
export const alertSubject = (rule: string, key: string) => `evt.alert.${rule}.${key}` as const;
/** Filter for the alerts about a run, by any rule. */
export const alertFilter = (run: RunId) => `evt.alert.*.${run}` as const;

/** Filter for runs: all of them, of one job type, of one id in every job type, or exactly one run. */
export const runEventFilter = (jobType?: JobTypeId, run?: RunId) =>
  run === undefined && jobType === undefined ? 'evt.run.>' : `evt.run.${jobType ?? '*'}.${run ?? '*'}`;

const RUN_EVENT_SUBJECT = /^evt\.run\.([^.]+)\.([^.]+)$/;

/** Undefined when the subject is not a run's. Never throws. */
export function parseRunEventSubject(subject: string): { jobType: JobTypeId; runId: RunId } | undefined {
  const match = RUN_EVENT_SUBJECT.exec(subject);
  if (match === null) return undefined;
  const [, jobType, run] = match as unknown as [string, string, string];
  return isSafeToken(jobType) && isSafeToken(run) ? { jobType: jobType as JobTypeId, runId: run as RunId } : undefined;
}
