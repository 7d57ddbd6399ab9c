/**
 * The statechart of work in steps, one after the other. Each step goes `ready` → `executing` → (`backingOff` → `ready` → …) → the next
 * step. A pause takes effect before an attempt; `retry` ends a wait at once. All numbers are in the context, from the policy the run
 * started with, so the same code folds the history of a run that started with others.
 */
import { type AnyEventObject, type AnyStateMachine, assign, not, setup } from 'xstate';
import { attemptError, canRetry, nextAttempt, retryDelayMs, runTimeoutError, unavailableInARow } from './retry.ts';
import { activityPolicy, type RunPolicy } from './run-policy.ts';
import { activity } from './statechart/declare-activity.ts';
import { policy, random } from './statechart/environment.ts';
import type { Json } from './statechart/json.ts';
import type { SerializedError } from './statechart/serialized-error.ts';

/** What the activity of a step is given; its name is the step's. */
export interface StepInput {
  readonly input: Json;
  /** Of the earlier steps, by name. */
  readonly results: Results;
  /** Counted from 1. */
  readonly attempt: number;
}

type Results = Readonly<Record<string, Json>>;

interface Context {
  readonly input: Json;
  readonly policy: RunPolicy;
  readonly results: Results;
  /** Number of the last attempt begun, by step. */
  readonly attempts: Readonly<Record<string, number>>;
  /** How often in a row the step that is being done found out of order what it needs. */
  readonly unavailable: number;
  readonly pauseRequested: boolean;
  /** Of the last attempt, when it failed, or why the run ended. */
  readonly error: SerializedError | null;
}
/** What guards, actions and delays are called with, as far as it is read here. */
interface Heard {
  readonly context: Context;
  readonly event: AnyEventObject;
}

/** @param steps Their names, which are those of their activities, too. */
export function stepwiseStatechart(id: string, steps: readonly string[]): AnyStateMachine {
  const perStep = <Part>(prefix: string, part: (step: string) => Part) =>
    Object.fromEntries(steps.map((step) => [`${prefix}${step}`, part(step)]));
  const machine: AnyStateMachine = setup({
    types: { input: {} as Json, context: {} as Context, events: {} as { type: 'pause' | 'resume' | 'cancel' | 'retry' } },
    actors: perStep('', () => activity<StepInput, Json>()),
    guards: { paused: ({ context }) => context.pauseRequested, ...perStep('canRetry:', mayTryAgain) },
    delays: {
      runTimeoutMs: ({ context }) => context.policy.timeoutMs,
      ...perStep('timeoutMs:', timeoutOf),
      ...perStep('backoffMs:', backoffOf),
    },
    actions: {
      requestPause: assign({ pauseRequested: true }),
      clearPause: assign({ pauseRequested: false }),
      keepRunTimeout: assign({ error: ({ context: { error, policy } }) => runTimeoutError(policy.timeoutMs, error) }),
      ...perStep('countAttempt:', (step) =>
        assign({
          attempts: ({ context: { attempts, error } }: Heard) => ({ ...attempts, [step]: nextAttempt(attemptOf(attempts, step), error) }),
        }),
      ),
      ...perStep('keepResult:', (step) =>
        assign({
          results: ({ context, event }: Heard) => ({ ...context.results, [step]: event.output as Json }),
          unavailable: 0,
          error: null,
        }),
      ),
      ...perStep('keepError:', (step) =>
        assign((heard: Heard) => {
          const error = errorOf(heard, step);
          return { error, unavailable: unavailableInARow(heard.context.unavailable, error) };
        }),
      ),
    },
  }).createMachine({
    id,
    options: { maxIterations: 100 },
    context: ({ input }) => ({ input, policy: policy(), results: {}, attempts: {}, unavailable: 0, pauseRequested: false, error: null }),
    initial: 'running',
    states: {
      running: {
        initial: steps[0]!,
        after: { runTimeoutMs: { target: 'timedOut', actions: 'keepRunTimeout' } },
        on: {
          pause: { guard: not('paused'), actions: 'requestPause' },
          resume: { guard: 'paused', actions: 'clearPause' },
          cancel: 'cancelled',
        },
        states: Object.fromEntries(steps.map((step, index) => [step, stateOf(id, step, steps[index + 1])])),
      },
      succeeded: { type: 'final' },
      failed: { type: 'final' },
      cancelled: { type: 'final' },
      timedOut: { type: 'final' },
    },
    output: ({ context: { results, attempts, error } }) => ({ results, attempts, ...(error === null ? {} : { error }) }),
  });
  return machine;
}

/** Its type says little, because the names that are made from a step's are just text to the types of XState. */
function stateOf(id: string, step: string, next: string | undefined): object {
  const afterFailure = [
    { guard: `canRetry:${step}`, target: 'backingOff', actions: `keepError:${step}` },
    { target: `#${id}.failed`, actions: `keepError:${step}` },
  ];
  const onDone = next === undefined ? `#${id}.succeeded` : `#${id}.running.${next}`;
  return {
    initial: 'ready',
    states: {
      ready: { always: { guard: not('paused'), target: 'executing' } },
      executing: {
        entry: `countAttempt:${step}`,
        invoke: {
          id: step,
          src: step,
          input: ({ context }: Heard): StepInput => ({
            input: context.input,
            results: context.results,
            attempt: attemptOf(context.attempts, step),
          }),
          onDone: { target: onDone, actions: `keepResult:${step}` },
          onError: afterFailure,
        },
        after: { [`timeoutMs:${step}`]: afterFailure },
      },
      backingOff: { on: { retry: 'ready' }, after: { [`backoffMs:${step}`]: 'ready' } },
    },
  };
}

const attemptOf = (attempts: Context['attempts'], step: string): number => attempts[step] ?? 0;

const mayTryAgain =
  (step: string) =>
  (heard: Heard): boolean => {
    const { policy, attempts } = heard.context;
    return canRetry(activityPolicy(policy, step).retry, attemptOf(attempts, step), errorOf(heard, step));
  };

const timeoutOf =
  (step: string) =>
  ({ context: { policy } }: Heard): number =>
    activityPolicy(policy, step).timeoutMs;

const backoffOf =
  (step: string) =>
  ({ context: { policy, attempts, unavailable, error } }: Heard): number =>
    retryDelayMs(activityPolicy(policy, step).retry, attemptOf(attempts, step), unavailable, error, random());

const errorOf = ({ context: { policy }, event }: Heard, step: string): SerializedError =>
  attemptError(event, step, activityPolicy(policy, step).timeoutMs);
