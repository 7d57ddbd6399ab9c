/**
 * Two steps with retries, time limits and cancel, written by hand from the pieces that `defineJob` is made of: what a statechart of
 * one's own has to do to behave like a defined one.
 */
import { assign, setup } from 'xstate';
import { attemptError, canRetry, nextAttempt, retryDelayMs, runTimeoutError, unavailableInARow } from '../../src/domain/retry.ts';
import { activityPolicy, type RunPolicy } from '../../src/domain/run-policy.ts';
import { activity } from '../../src/domain/statechart/declare-activity.ts';
import { policy, random } from '../../src/domain/statechart/environment.ts';
import type { SerializedError } from '../../src/domain/statechart/serialized-error.ts';

type Step = 'fetch' | 'store';

interface Context {
  readonly policy: RunPolicy;
  readonly step: Step;
  readonly attempt: number;
  readonly unavailable: number;
  readonly error: SerializedError | null;
}

const limitsOf = ({ policy, step }: Context) => activityPolicy(policy, step);
const errorOf = (context: Context, event: object) => attemptError(event, context.step, limitsOf(context).timeoutMs);
const ifItFails = [
  { guard: 'canRetry', target: 'backingOff', actions: 'keepError' },
  { target: 'failed', actions: 'keepError' },
] as const;
const again = [{ guard: 'fetching', target: 'fetching' }, { target: 'storing' }] as const;

export const handWrittenJob = setup({
  types: {
    context: {} as Context,
    events: {} as { type: 'retry' } | { type: 'cancel' },
    output: {} as { error: SerializedError | null },
  },
  actors: { fetch: activity<{ attempt: number }, null>(), store: activity<{ attempt: number }, null>() },
  guards: {
    canRetry: ({ context, event }) => canRetry(limitsOf(context).retry, context.attempt, errorOf(context, event)),
    fetching: ({ context }) => context.step === 'fetch',
  },
  delays: {
    runTimeoutMs: ({ context }) => context.policy.timeoutMs,
    attemptTimeoutMs: ({ context }) => limitsOf(context).timeoutMs,
    backoffMs: ({ context }) => retryDelayMs(limitsOf(context).retry, context.attempt, context.unavailable, context.error, random()),
  },
  actions: {
    beginAttempt: assign({ attempt: ({ context: { attempt, error } }) => nextAttempt(attempt, error) }),
    goToStore: assign({ step: 'store', attempt: 0, unavailable: 0, error: null }),
    keepError: assign(({ context, event }) => {
      const error = errorOf(context, event);
      return { error, unavailable: unavailableInARow(context.unavailable, error) };
    }),
    keepRunTimeout: assign({ error: ({ context: { policy, error } }) => runTimeoutError(policy.timeoutMs, error) }),
    forgetError: assign({ error: null }),
  },
}).createMachine({
  id: 'by-hand',
  options: { maxIterations: 100 },
  context: () => ({ policy: policy(), step: 'fetch', attempt: 0, unavailable: 0, error: null }),
  output: ({ context: { error } }) => ({ error }),
  initial: 'fetching',
  after: { runTimeoutMs: { target: '.timedOut', actions: 'keepRunTimeout' } },
  on: { cancel: '.cancelled' },
  states: {
    fetching: {
      entry: 'beginAttempt',
      invoke: {
        id: 'fetch',
        src: 'fetch',
        input: ({ context: { attempt } }) => ({ attempt }),
        onDone: { target: 'storing', actions: 'goToStore' },
        onError: ifItFails,
      },
      after: { attemptTimeoutMs: ifItFails },
    },
    storing: {
      entry: 'beginAttempt',
      invoke: {
        id: 'store',
        src: 'store',
        input: ({ context: { attempt } }) => ({ attempt }),
        onDone: { target: 'succeeded', actions: 'forgetError' },
        onError: ifItFails,
      },
      after: { attemptTimeoutMs: ifItFails },
    },
    backingOff: { on: { retry: again }, after: { backoffMs: again } },
    succeeded: { type: 'final' },
    failed: { type: 'final' },
    cancelled: { type: 'final' },
    timedOut: { type: 'final' },
  },
});
