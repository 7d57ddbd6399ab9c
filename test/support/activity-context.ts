/** What a host gives to an activity, for tests that call one directly. */
import type { ActivityContext, Progress } from '../../src/domain/activity.ts';
import { jobTypeId, runId } from '../../src/domain/ids.ts';

export interface RecordedContext extends ActivityContext {
  readonly logged: { level: 'info' | 'warn'; facts: object; message: string }[];
  readonly progressed: Progress[];
}

interface Start {
  readonly runId?: string;
  readonly activityId?: string;
  readonly visit?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

/** The same arguments give the same idempotency key, as after a crash. */
export function activityContext({
  runId: run = 'run-1',
  activityId = 'activity',
  visit = 1,
  signal,
  onProgress,
}: Start = {}): RecordedContext {
  const logged: RecordedContext['logged'] = [];
  const progressed: Progress[] = [];
  return {
    jobType: jobTypeId('vault-sync'),
    runId: runId(run),
    activityId,
    visit,
    idempotencyKey: `${run}/${activityId}/${visit}`,
    signal: signal ?? new AbortController().signal,
    progress(progress) {
      progressed.push(progress);
      onProgress?.(progress);
    },
    children: {
      start: () => Promise.reject(new TypeError('this activity is not expected to start runs')),
      cancel: () => Promise.reject(new TypeError('this activity is not expected to cancel runs')),
    },
    log: {
      info: (facts, message) => logged.push({ level: 'info', facts, message }),
      warn: (facts, message) => logged.push({ level: 'warn', facts, message }),
    },
    logged,
    progressed,
  };
}
