/**
 * The statechart of work in steps, one after the other. Each step goes `ready` → `executing` → (`backingOff` → `ready` → …) → the next
 * step. A pause takes effect before an attempt; all delays have names, so durations can change under armed timers.
 */
import { type AnyEventObject, type AnyStateMachine, assign, not, setup } from 'xstate';
import { canRetry, type RetryPolicy, retryDelayMs } from './retry.ts';
import { activity } from './statechart/declare-activity.ts';
import { random } from './statechart/environment.ts';
import type { Json } from './statechart/json.ts';
import { type SerializedError, serializeError } from './statechart/serialized-error.ts';

export interface StepPlan {
  readonly name: string;
  readonly retry: RetryPolicy;
  /** Of one attempt. */
  readonly timeoutMs: number;
}

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
  readonly results: Results;
  /** Attempts begun so far, by step. */
  readonly attempts: Readonly<Record<string, number>>;
  readonly pauseRequested: boolean;
  /** Of the last attempt, when it failed, or why the run ended. */
  readonly error: SerializedError | null;
}
/** What guards, actions and delays are called with, as far as it is read here. */
interface Heard {
  readonly context: Context;
  readonly event: AnyEventObject;
}

/** @param timeoutMs Of the whole run, pauses included. */
export function stepwiseStatechart(id: string, steps: readonly StepPlan[], timeoutMs: number): AnyStateMachine {
  const perStep = <Part>(prefix: string, part: (step: StepPlan) => Part) =>
    Object.fromEntries(steps.map((step) => [`${prefix}${step.name}`, part(step)]));
  const machine: AnyStateMachine = setup({
    types: { input: {} as Json, context: {} as Context, events: {} as { type: 'pause' | 'resume' | 'cancel' | 'retry' } },
    actors: perStep('', () => activity<StepInput, Json>()),
    guards: { paused: ({ context }) => context.pauseRequested, ...perStep('canRetry:', mayTryAgain) },
    delays: {
      runTimeoutMs: timeoutMs,
      ...perStep('timeoutMs:', (step) => step.timeoutMs),
      ...perStep('backoffMs:', backoffOf),
    },
    actions: {
      requestPause: assign({ pauseRequested: true }),
      clearPause: assign({ pauseRequested: false }),
      keepRunTimeout: assign({
        error: ({ context: { error } }) => ({
          ...timeoutError('RunTimeoutError', `the run took longer than ${timeoutMs} ms`),
          ...(error === null ? {} : { cause: error }),
        }),
      }),
      ...perStep('countAttempt:', ({ name }) =>
        assign({ attempts: ({ context: { attempts } }: Heard) => ({ ...attempts, [name]: attemptOf(attempts, name) + 1 }) }),
      ),
      ...perStep('keepResult:', ({ name }) =>
        assign({
          results: ({ context, event }: Heard) => ({ ...context.results, [name]: event.output as Json }),
          error: null,
        }),
      ),
      ...perStep('keepError:', (step) => assign({ error: ({ event }: Heard) => errorOf(event, step) })),
    },
  }).createMachine({
    id,
    options: { maxIterations: 100 },
    context: ({ input }) => ({ input, results: {}, attempts: {}, pauseRequested: false, error: null }),
    initial: 'running',
    states: {
      running: {
        initial: steps[0]!.name,
        after: { runTimeoutMs: { target: 'timedOut', actions: 'keepRunTimeout' } },
        on: {
          pause: { guard: not('paused'), actions: 'requestPause' },
          resume: { guard: 'paused', actions: 'clearPause' },
          cancel: 'cancelled',
        },
        states: Object.fromEntries(steps.map((step, index) => [step.name, stateOf(id, step, steps[index + 1])])),
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
function stateOf(id: string, { name }: StepPlan, next: StepPlan | undefined): object {
  const afterFailure = [
    { guard: `canRetry:${name}`, target: 'backingOff', actions: `keepError:${name}` },
    { target: `#${id}.failed`, actions: `keepError:${name}` },
  ];
  const onDone = next === undefined ? `#${id}.succeeded` : `#${id}.running.${next.name}`;
  return {
    initial: 'ready',
    states: {
      ready: { always: { guard: not('paused'), target: 'executing' } },
      executing: {
        entry: `countAttempt:${name}`,
        invoke: {
          id: name,
          src: name,
          input: ({ context }: Heard): StepInput => ({
            input: context.input,
            results: context.results,
            attempt: attemptOf(context.attempts, name),
          }),
          onDone: { target: onDone, actions: `keepResult:${name}` },
          onError: afterFailure,
        },
        after: { [`timeoutMs:${name}`]: afterFailure },
      },
      backingOff: { after: { [`backoffMs:${name}`]: 'ready' }, on: { retry: 'ready' } },
    },
  };
}

const attemptOf = (attempts: Context['attempts'], name: string): number => attempts[name] ?? 0;

const mayTryAgain =
  (step: StepPlan) =>
  ({ context, event }: Heard): boolean =>
    canRetry(step.retry, attemptOf(context.attempts, step.name), errorOf(event, step));

const backoffOf =
  ({ name, retry }: StepPlan) =>
  ({ context: { attempts, error } }: Heard): number =>
    retryDelayMs(retry, attemptOf(attempts, name), error ?? {}, random());

/** An attempt fails because its activity says so, or because its time is up. */
function errorOf(event: AnyEventObject, { name, timeoutMs }: StepPlan): SerializedError {
  if ('error' in event) return serializeError(event.error);
  return timeoutError('AttemptTimeoutError', `an attempt of step ${name} took longer than ${timeoutMs} ms`);
}

const timeoutError = (name: 'RunTimeoutError' | 'AttemptTimeoutError', message: string): SerializedError => ({ name, message });
