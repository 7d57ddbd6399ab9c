/**
 * The statechart of a batch: pages of items are listed, children are started for them, and their reports are counted, so that never more
 * than a window of children is unfinished. A report that meets a state which does not listen is lost for ever, so the root listens.
 */
import { type AnyEventObject, type AnyStateMachine, assign, not, setup } from 'xstate';
import {
  type BatchLedger,
  type BatchSizes,
  type CancelInput,
  hasTooManyFailures,
  isDone,
  isPageLow,
  type ListedPage,
  type ListInput,
  listInput,
  newLedger,
  outstandingChild,
  pageProblem,
  type StartInput,
  startable,
  startInput,
  withChildren,
  withFinished,
  withPage,
  withStarted,
} from './batch-ledger.ts';
import type { ChildIds } from './child-ids.ts';
import { canRetry, type RetryPolicy, retryDelayMs, unavailableInARow } from './retry.ts';
import type { ChildFinished } from './signal.ts';
import { activity } from './statechart/declare-activity.ts';
import { random } from './statechart/environment.ts';
import type { Json } from './statechart/json.ts';
import { type SerializedError, serializeError } from './statechart/serialized-error.ts';

export interface BatchPlan extends BatchSizes {
  /** Job type of the children. */
  readonly child: string;
  readonly retry: RetryPolicy;
  /** Of the whole run, pauses included. */
  readonly timeoutMs: number;
  /** Of one attempt to list, to start or to cancel. */
  readonly attemptTimeoutMs: number;
  /** How long a batch that ends before its time waits for the children it has cancelled. */
  readonly cancelGraceMs: number;
}

type BatchEvent = ChildFinished | { type: 'pause' } | { type: 'resume' } | { type: 'cancel' };
/** What guards, actions and delays are called with, as far as it is read here. */
interface Heard {
  readonly context: BatchLedger;
  readonly event: AnyEventObject;
}

export function batchStatechart(id: string, plan: BatchPlan): AnyStateMachine {
  const { retry, attemptTimeoutMs, timeoutMs } = plan;
  const errorOf = (event: AnyEventObject): SerializedError =>
    'error' in event
      ? serializeError(event.error)
      : timeoutError('AttemptTimeoutError', `an attempt took longer than ${attemptTimeoutMs} ms`);
  const machine: AnyStateMachine = setup({
    types: { input: {} as Json, context: {} as BatchLedger, events: {} as BatchEvent },
    actors: {
      openBatch: activity<undefined, ChildIds>(),
      listItems: activity<ListInput, ListedPage>(),
      startChildren: activity<StartInput, null>(),
      cancelChildren: activity<CancelInput, null>(),
    },
    guards: {
      isOutstanding: ({ context, event }: Heard) => isReport(event, plan.child) && outstandingChild(context, event.child) !== undefined,
      nothingOutstanding: ({ context }) => context.outstanding.length === 0,
      mustEnd: ({ context }) => context.ending !== null || hasTooManyFailures(context, plan),
      isDone: ({ context }) => isDone(context),
      canStart: ({ context }) => !context.paused && startable(context, plan) > 0,
      mustList: ({ context }) => !context.paused && isPageLow(context, plan),
      pageFits: ({ context, event }: Heard) => pageProblem(context, event.output as ListedPage) === undefined,
      canRetry: ({ context, event }: Heard) => canRetry(retry, context.attempts, errorOf(event)),
      paused: ({ context }) => context.paused,
      cancelled: ({ context }) => context.ending === 'cancelled',
      timedOut: ({ context }) => context.ending === 'timedOut',
      failed: ({ context }) => context.ending === 'failed',
      someFailed: ({ context }) => context.progress.failed > 0,
    },
    delays: {
      runTimeoutMs: timeoutMs,
      attemptTimeoutMs,
      cancelGraceMs: plan.cancelGraceMs,
      backoffMs: ({ context: { attempts, unavailable, error } }) => retryDelayMs(retry, attempts, unavailable, error, random()),
    },
    actions: {
      keepChildIds: assign({ childIds: ({ event }: Heard) => event.output as ChildIds }),
      keepPage: assign(({ context, event }: Heard) => ({
        ...withPage(context, event.output as ListedPage),
        attempts: 0,
        unavailable: 0,
        error: null,
      })),
      refusePage: assign({
        error: ({ context, event }: Heard) => pageProblem(context, event.output as ListedPage)!,
        ending: endingAs('failed'),
      }),
      addChildren: assign(({ context }) => withChildren(context, plan)),
      keepStarted: assign(({ context }) => ({ ...withStarted(context), attempts: 0, unavailable: 0, error: null })),
      countChild: assign(({ context, event }) => withFinished(context, event as ChildFinished)),
      countAttempt: assign({ attempts: ({ context: { attempts, unavailable } }) => (unavailable > 0 ? attempts : attempts + 1) }),
      forgetAttempts: assign({ attempts: 0, unavailable: 0 }),
      keepError: assign(({ context, event }: Heard) => {
        const error = errorOf(event);
        return { error, unavailable: unavailableInARow(context.unavailable, error) };
      }),
      pause: assign({ paused: true }),
      resume: assign({ paused: false }),
      endCancelled: assign({ ending: endingAs('cancelled') }),
      endFailed: assign({ ending: endingAs('failed') }),
      endTimedOut: assign({
        ending: endingAs('timedOut'),
        error: ({ context: { ending, error } }) =>
          ending === null ? timeoutError('RunTimeoutError', `the run took longer than ${timeoutMs} ms`) : error,
      }),
    },
  }).createMachine({
    id,
    options: { maxIterations: 100 },
    context: ({ input }) => newLedger(input, plan),
    initial: 'running',
    on: {
      'child.finished': { guard: 'isOutstanding', actions: 'countChild' },
      cancel: { actions: 'endCancelled' },
    },
    states: {
      running: {
        initial: 'opening',
        after: { runTimeoutMs: { actions: 'endTimedOut' } },
        on: { pause: { guard: not('paused'), actions: 'pause' }, resume: { guard: 'paused', actions: 'resume' } },
        states: {
          opening: {
            invoke: {
              id: 'openBatch',
              src: 'openBatch',
              onDone: { target: 'waiting', actions: 'keepChildIds' },
              onError: { target: 'waiting', actions: ['keepError', 'endFailed'] },
            },
          },
          waiting: {
            always: [
              { guard: 'mustEnd', target: `#${id}.stopping` },
              { guard: 'isDone', target: `#${id}.closing` },
              { guard: 'canStart', target: 'starting' },
              { guard: 'mustList', target: 'listing' },
            ],
          },
          listing: {
            initial: 'executing',
            entry: 'forgetAttempts',
            always: { guard: 'mustEnd', target: `#${id}.stopping` },
            states: {
              executing: {
                entry: 'countAttempt',
                invoke: {
                  id: 'listItems',
                  src: 'listItems',
                  input: ({ context }) => listInput(context, plan),
                  onDone: [
                    { guard: 'pageFits', target: `#${id}.running.waiting`, actions: 'keepPage' },
                    { target: `#${id}.running.waiting`, actions: 'refusePage' },
                  ],
                  onError: afterFailure(`#${id}.running.waiting`),
                },
                after: { attemptTimeoutMs: afterFailure(`#${id}.running.waiting`) },
              },
              backingOff: { after: { backoffMs: 'executing' } },
            },
          },
          // It is left only once every start command is stored or given up, so that what is cancelled then has been started.
          starting: {
            initial: 'executing',
            entry: ['forgetAttempts', 'addChildren'],
            states: {
              executing: {
                entry: 'countAttempt',
                invoke: {
                  id: 'startChildren',
                  src: 'startChildren',
                  input: ({ context }) => startInput(context),
                  onDone: { target: `#${id}.running.waiting`, actions: 'keepStarted' },
                  onError: afterFailure(`#${id}.running.waiting`),
                },
                after: { attemptTimeoutMs: afterFailure(`#${id}.running.waiting`) },
              },
              backingOff: { always: { guard: 'mustEnd', target: `#${id}.stopping` }, after: { backoffMs: 'executing' } },
            },
          },
        },
      },
      stopping: {
        initial: 'cancelling',
        entry: ['forgetAttempts', 'endFailed'],
        always: { guard: 'nothingOutstanding', target: 'closing' },
        after: { cancelGraceMs: 'closing' },
        states: {
          cancelling: {
            initial: 'executing',
            states: {
              executing: {
                entry: 'countAttempt',
                invoke: {
                  id: 'cancelChildren',
                  src: 'cancelChildren',
                  input: ({ context: { childIds, outstanding, ending } }): CancelInput => ({
                    childIds,
                    children: outstanding,
                    why: ending!,
                  }),
                  onDone: `#${id}.stopping.draining`,
                  onError: afterFailure(`#${id}.stopping.draining`),
                },
                after: { attemptTimeoutMs: afterFailure(`#${id}.stopping.draining`) },
              },
              backingOff: { after: { backoffMs: 'executing' } },
            },
          },
          draining: {},
        },
      },
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
    output: ({ context: { progress, failures, error } }) => ({ ...progress, failures, ...(error === null ? {} : { error }) }),
  });
  return machine;
}

const afterFailure = (givenUp: string) =>
  [
    { guard: 'canRetry', target: 'backingOff', actions: 'keepError' },
    { target: givenUp, actions: ['keepError', 'endFailed'] },
  ] as const;

/** The first reason stands. */
const endingAs =
  (why: NonNullable<BatchLedger['ending']>) =>
  ({ context }: Pick<Heard, 'context'>) =>
    context.ending ?? why;

/** Anybody may send a signal. */
const isReport = (event: AnyEventObject, jobType: string): event is ChildFinished =>
  event.jobType === jobType && typeof event.child === 'string' && typeof event.outcome === 'string';

const timeoutError = (name: 'RunTimeoutError' | 'AttemptTimeoutError', message: string): SerializedError => ({ name, message });
