/** The nightly jobs one after the other: each begins when the one before it has ended, however long that takes. */
import { assign, setup } from 'xstate';
import { z } from 'zod';
import type { Activity } from '../src/domain/activity.ts';
import { type ChildIds, childIdOf } from '../src/domain/child-ids.ts';
import type { JobType } from '../src/domain/job-type.ts';
import { isFailure } from '../src/domain/outcome.ts';
import { attemptError, canRetry, nextAttempt, retryDelayMs, runTimeoutError, unavailableInARow } from '../src/domain/retry.ts';
import { type ActivityPolicy, activityPolicy, type RunPolicy } from '../src/domain/run-policy.ts';
import { type CANCEL, CHILD_FINISHED, type ChildFinished, type RETRY } from '../src/domain/signal.ts';
import { activity } from '../src/domain/statechart/declare-activity.ts';
import { policy, random } from '../src/domain/statechart/environment.ts';
import type { SerializedError } from '../src/domain/statechart/serialized-error.ts';

/** Job types of the night, in their order; those that a deployment does not have are left out. */
export const NIGHT: readonly string[] = ['concept-hygiene', 'vault-sync', 'system-maintenance'];
/** How long a night that ends before its time waits for the run that it has cancelled. */
const CANCEL_GRACE_MS = 30_000;
const LONGEST_MESSAGE = 200;
const HOUR_MS = 3_600_000;

export interface NightlyInput {
  /** Job types, each once, in the order in which they are run. */
  readonly jobs: readonly string[];
  /** After a job that ended badly, the later ones are not started. */
  readonly stopOnFailure: boolean;
}
interface NightlyChild {
  readonly jobType: string;
  readonly runId: string;
}
export interface NightlyResult extends NightlyChild {
  readonly outcome: string;
  /** Why it failed. */
  readonly message?: string;
}
export interface NightlyOutput {
  readonly jobs: readonly NightlyResult[];
  /** The run that had not reported its end when the night ended. */
  readonly unfinished?: NightlyChild;
  /** Job types whose turn did not come. */
  readonly notStarted: readonly string[];
  /** Why the night has failed, or has ended before its time. */
  readonly error?: SerializedError;
}

/** The activities, by the names the statechart invokes them. A type alias, because an interface would not fit into a registry. */
export type NightlyActivities = {
  readonly nameChildren: Activity<{ readonly longest: number }, ChildIds>;
  readonly startChild: Activity<NightlyChild, null>;
  readonly cancelChild: Activity<NightlyChild & { readonly why: string }, null>;
};

interface NightlyContext extends NightlyInput {
  readonly childIds: ChildIds;
  /** Of the jobs that have ended, in order; the next one is that of the job under way. */
  readonly results: readonly NightlyResult[];
  /** In jobs. */
  readonly progress: { readonly done: number; readonly failed: number; readonly total: number };
  /** A job's run may have begun and has not reported its end. */
  readonly underWay: boolean;
  /** Set once the night is to end before its time. */
  readonly ending: 'cancelled' | 'timedOut' | 'failed' | null;
  readonly policy: RunPolicy;
  /** What is being done, or waits to be done again. */
  readonly activity: keyof NightlyActivities;
  /** Of that activity, counted from 1. */
  readonly attempt: number;
  /** How often in a row it found out of order what it needs. */
  readonly unavailable: number;
  /** Of the last attempt, when it failed, or why the night ends. */
  readonly error: SerializedError | null;
}

const childOf = ({ jobs, results, childIds }: NightlyContext): NightlyChild => {
  const jobType = jobs[results.length]!;
  return { jobType, runId: childIdOf(childIds, jobType) };
};
const limitsOf = ({ policy, activity }: NightlyContext): ActivityPolicy => activityPolicy(policy, activity);
const errorOf = (context: NightlyContext, event: object): SerializedError =>
  attemptError(event, context.activity, limitsOf(context).timeoutMs);
const isBroken = ({ stopOnFailure, progress }: NightlyContext): boolean => stopOnFailure && progress.failed > 0;
const hasFailed = (context: NightlyContext): boolean => isBroken(context) || context.progress.failed === context.jobs.length;

/** Anybody may send a signal: only what the run under way says counts, and that once. */
function isReport(context: NightlyContext, event: { readonly type: string }): event is ChildFinished {
  const { child, jobType, outcome } = event as Partial<ChildFinished>;
  if (event.type !== CHILD_FINISHED || !context.underWay || typeof outcome !== 'string') return false;
  const expected = childOf(context);
  return child === expected.runId && jobType === expected.jobType;
}

function resultOf({ child, jobType, outcome, output }: ChildFinished): NightlyResult {
  const message = (output as { error?: { message?: unknown } | null } | null | undefined)?.error?.message;
  return { jobType, runId: child, outcome, ...(typeof message === 'string' && { message: message.slice(0, LONGEST_MESSAGE) }) };
}

function outputOf(context: NightlyContext): NightlyOutput {
  const { jobs, results, underWay, error } = context;
  const failures = results.filter(({ outcome }) => isFailure(outcome)).map(({ jobType, outcome }) => `${jobType} ended as ${outcome}`);
  const why = error ?? (hasFailed(context) && { name: 'JobFailedError', message: failures.join(', ') });
  return {
    jobs: results,
    ...(underWay && { unfinished: childOf(context) }),
    notStarted: jobs.slice(results.length + (underWay ? 1 : 0)),
    ...(why && { error: why }),
  };
}

const ifStartFails = [
  { guard: 'canRetry', target: 'retrying', actions: 'noteError' },
  { target: 'cancelling', actions: ['noteError', 'noteFailed'] },
] as const;
const ifCancelFails = [
  { guard: 'canRetry', target: 'retrying', actions: 'noteError' },
  { target: 'draining', actions: 'noteError' },
] as const;
/** From the one state where all waits between attempts take place. */
const backToWork = [{ guard: 'isEnding', target: 'cancelling' }, { target: 'starting' }] as const;

export const nightlyMachine = setup({
  types: {
    input: {} as NightlyInput,
    context: {} as NightlyContext,
    events: {} as ChildFinished | { type: typeof CANCEL } | { type: typeof RETRY },
    output: {} as NightlyOutput,
  },
  actors: {
    nameChildren: activity<{ longest: number }, ChildIds>(),
    startChild: activity<NightlyChild, null>(),
    cancelChild: activity<NightlyChild & { why: string }, null>(),
  },
  actions: {
    beginAttempt: assign(({ context }, activity: keyof NightlyActivities) => ({
      activity,
      attempt: context.activity === activity && context.error !== null ? nextAttempt(context.attempt, context.error) : 1,
    })),
    forgetError: assign({ unavailable: 0, error: null }),
    noteUnderWay: assign({ underWay: true }),
    noteResult: assign(({ context: { results, progress, ending, error }, event }) => {
      const result = resultOf(event as ChildFinished);
      const failed = progress.failed + (isFailure(result.outcome) ? 1 : 0);
      const counted = { results: [...results, result], progress: { ...progress, done: progress.done + 1, failed }, underWay: false };
      return { ...counted, unavailable: 0, error: ending === null ? null : error };
    }),
    noteError: assign(({ context, event }) => {
      const error = errorOf(context, event);
      return { error, unavailable: unavailableInARow(context.unavailable, error) };
    }),
    noteFailed: assign({ ending: 'failed' }),
    noteCancelled: assign({ ending: 'cancelled' }),
    noteTimedOut: assign({
      ending: ({ context }) => context.ending ?? 'timedOut',
      error: ({ context: { policy, error } }) => runTimeoutError(policy.timeoutMs, error),
    }),
  },
  guards: {
    canRetry: ({ context, event }) => canRetry(limitsOf(context).retry, context.attempt, errorOf(context, event)),
    isReport: ({ context, event }) => isReport(context, event),
    isEnding: ({ context }) => context.ending !== null,
    isOver: ({ context }) => context.ending !== null || context.results.length === context.jobs.length || isBroken(context),
    nothingUnderWay: ({ context }) => !context.underWay,
    cancelled: ({ context }) => context.ending === 'cancelled',
    timedOut: ({ context }) => context.ending === 'timedOut',
    failed: ({ context }) => context.ending === 'failed' || hasFailed(context),
    someFailed: ({ context }) => context.progress.failed > 0,
  },
  delays: {
    runTimeoutMs: ({ context }) => context.policy.timeoutMs,
    attemptTimeoutMs: ({ context }) => limitsOf(context).timeoutMs,
    backoffMs: ({ context }) => retryDelayMs(limitsOf(context).retry, context.attempt, context.unavailable, context.error, random()),
    cancelGraceMs: CANCEL_GRACE_MS,
  },
}).createMachine({
  id: 'nightly',
  options: { maxIterations: 100 },
  context: ({ input: { jobs, stopOnFailure } }) => ({
    jobs,
    stopOnFailure,
    childIds: { start: '', end: '' },
    results: [],
    progress: { done: 0, failed: 0, total: jobs.length },
    underWay: false,
    ending: null,
    policy: policy(),
    activity: 'nameChildren',
    attempt: 1,
    unavailable: 0,
    error: null,
  }),
  output: ({ context }) => outputOf(context),
  initial: 'opening',
  after: { runTimeoutMs: { target: '.cancelling', actions: 'noteTimedOut' } },
  on: {
    // Wherever it meets the night: a report that is not heard is lost for ever.
    'child.finished': { guard: 'isReport', target: '.choosing', actions: 'noteResult' },
    // Said twice, it does not begin again to cancel.
    cancel: [
      { guard: 'isEnding', actions: 'noteCancelled' },
      { target: '.cancelling', actions: 'noteCancelled' },
    ],
  },
  states: {
    opening: {
      invoke: {
        id: 'nameChildren',
        src: 'nameChildren',
        input: ({ context: { jobs } }) => ({ longest: Math.max(...jobs.map(({ length }) => length)) }),
        onDone: { target: 'choosing', actions: assign({ childIds: ({ event }) => event.output }) },
        onError: { target: 'failed', actions: 'noteError' },
      },
    },
    choosing: {
      always: [{ guard: 'isOver', target: 'closing' }, { target: 'starting' }],
    },
    starting: {
      entry: ['noteUnderWay', { type: 'beginAttempt', params: 'startChild' }],
      invoke: {
        id: 'startChild',
        src: 'startChild',
        input: ({ context }) => childOf(context),
        onDone: { target: 'waiting', actions: 'forgetError' },
        onError: ifStartFails,
      },
      after: { attemptTimeoutMs: ifStartFails },
    },
    waiting: {},
    retrying: { on: { retry: backToWork }, after: { backoffMs: backToWork } },
    cancelling: {
      entry: { type: 'beginAttempt', params: 'cancelChild' },
      always: { guard: 'nothingUnderWay', target: 'closing' },
      invoke: {
        id: 'cancelChild',
        src: 'cancelChild',
        input: ({ context }) => ({ ...childOf(context), why: `the night ends as ${context.ending}` }),
        onDone: 'draining',
        onError: ifCancelFails,
      },
      after: { attemptTimeoutMs: ifCancelFails },
    },
    draining: { after: { cancelGraceMs: 'closing' } },
    closing: {
      always: [
        { guard: 'cancelled', target: 'cancelled' },
        { guard: 'timedOut', target: 'timedOut' },
        { guard: 'failed', target: 'failed' },
        { guard: 'someFailed', target: 'completedWithErrors' },
        { target: 'succeeded' },
      ],
    },
    succeeded: { type: 'final' },
    completedWithErrors: { type: 'final' },
    failed: { type: 'final' },
    cancelled: { type: 'final' },
    timedOut: { type: 'final' },
  },
});

/** @param jobTypes Those of the deployment: any of them may be part of a night. */
export function nightly(jobTypes: readonly Pick<JobType, 'id'>[]) {
  const known = jobTypes.map(({ id }) => id);
  const input = z.strictObject({
    jobs: z
      .array(z.enum(known))
      .min(1)
      .refine((jobs) => new Set(jobs).size === jobs.length, { error: 'names a job twice' })
      .prefault(NIGHT.filter((id) => known.includes(id))),
    stopOnFailure: z.boolean().default(false),
  });
  return {
    id: 'nightly',
    summary: 'Runs the nightly jobs one after the other',
    machine: nightlyMachine,
    input,
    concurrency: 1,
    cron: '0 2 * * *',
    // Over before the next night, also when that comes an hour early; and a start or a cancel is one message.
    policy: { timeoutMs: 22 * HOUR_MS, each: { timeoutMs: 60_000 } },
  } as const satisfies JobType;
}
