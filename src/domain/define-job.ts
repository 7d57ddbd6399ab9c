/** The common sequence in a few lines: steps one after the other, each retried, with time limits, pause and cancel. */
import type { z } from 'zod';
import type { Activities, Activity, ActivityContext } from './activity.ts';
import { JobTypeError, OutputValidationError } from './errors.ts';
import { jobTypeId } from './ids.ts';
import type { JobType } from './job-type.ts';
import { DEFAULT_RETRY, problemOf, type RetryPolicy } from './retry.ts';
import type { Json } from './statechart/json.ts';
import { type StepInput, type StepPlan, stepwiseStatechart } from './stepwise-statechart.ts';

/** Inputs and outputs go through the log, so a schema whose output JSON would change, e.g. a date, does not fit. */
type JsonSchema = z.ZodType<Json>;

export interface JobOptions<Input extends JsonSchema> extends Omit<JobType, 'machine'> {
  readonly input: Input;
  /** Of every step that does not say otherwise. */
  readonly retry?: Partial<RetryPolicy>;
  /** Of the whole run, waits and pauses included; then it ends as `timedOut`. @default 24 hours */
  readonly timeoutMs?: number;
  /** Of one attempt of a step that does not say otherwise. @default 5 minutes */
  readonly stepTimeoutMs?: number;
}

export interface StepArguments<Input, Results> {
  readonly input: Input;
  /** Of the earlier steps, by name. */
  readonly results: Results;
  /**
   * Counted from 1. Each attempt has an idempotency key of its own, `context.idempotencyKey`; what is the same for all of them is
   * `context.runId` with `context.activityId`, the step's name.
   */
  readonly attempt: number;
}

export interface StepOptions<Input, Results, Output extends JsonSchema> {
  /** Checked after each attempt; what it refuses ends the run as `failed`. */
  readonly output: Output;
  /** May run more than once, as every {@link Activity}. Throw a `TerminalError` to give up, a `RetryAfterError` to name the wait. */
  readonly run: (args: StepArguments<Input, Results>, context: ActivityContext) => Promise<z.input<Output>>;
  /** What it leaves out is as the job says. */
  readonly retry?: Partial<RetryPolicy>;
  /** Of one attempt. When it is up, `context.signal` is aborted and the next attempt does not wait for this one: heed it. */
  readonly timeoutMs?: number;
}

export interface JobBuilder<Input, Results> {
  /**
   * `name` is the name of a state and of an activity, so it has no dots.
   * @throws {JobTypeError} The name is taken or no name, or a number is out of range.
   */
  step<const Name extends string, Output extends JsonSchema>(
    name: Name extends keyof Results ? never : Name,
    step: StepOptions<Input, Results, Output>,
  ): JobBuilder<Input, Results & { readonly [Key in Name]: z.output<Output> }>;
  build(): DefinedJob;
}

/** For `machines/index.ts` and `src/activities/index.ts`. */
export interface DefinedJob {
  readonly jobType: JobType;
  readonly activities: Activities;
}

interface DefinedStep extends StepPlan {
  readonly activity: Activity<StepInput, Json>;
}

/** And nothing that every object has, e.g. `constructor`. */
const STEP_NAME = /^[A-Za-z][A-Za-z0-9_-]*$/;
const DEFAULT_TIMEOUT_MS = 24 * 3_600_000;
const DEFAULT_STEP_TIMEOUT_MS = 5 * 60_000;

/**
 * @throws {InvalidIdError} The id is no token of a subject.
 * @throws {JobTypeError} A number is out of range.
 */
export function defineJob<Input extends JsonSchema>(
  options: JobOptions<Input>,
): Pick<JobBuilder<z.output<Input>, Record<never, never>>, 'step'> {
  jobTypeId(options.id); // it is part of the names of states, too
  requireDuration(options.id, 'timeoutMs', options.timeoutMs);
  requireDuration(options.id, 'stepTimeoutMs', options.stepTimeoutMs);
  return builder(options, []);
}

function builder<Input, Results>(options: JobOptions<JsonSchema>, steps: readonly DefinedStep[]): JobBuilder<Input, Results> {
  return {
    step(name, step) {
      if (!STEP_NAME.test(name) || name in {})
        throw new JobTypeError(`${options.id}: '${name}' cannot name a step: use a word of letters, digits, "-" and "_"`);
      if (steps.some((other) => other.name === name)) throw new JobTypeError(`${options.id}: there are two steps '${name}'`);
      return builder(options, [...steps, definedStep(options, name, step)]);
    },
    build() {
      const { retry, timeoutMs = DEFAULT_TIMEOUT_MS, stepTimeoutMs, ...jobType } = options;
      return {
        jobType: { ...jobType, machine: stepwiseStatechart(options.id, steps, timeoutMs) },
        activities: Object.fromEntries(steps.map(({ name, activity }) => [name, activity])),
      };
    },
  };
}

function definedStep<Input, Results, Output extends JsonSchema>(
  job: JobOptions<JsonSchema>,
  name: string,
  step: StepOptions<Input, Results, Output>,
): DefinedStep {
  const where = `${job.id}, step ${name}`;
  requireDuration(where, 'timeoutMs', step.timeoutMs);
  const retry = { ...DEFAULT_RETRY, ...job.retry, ...step.retry };
  const problem = problemOf(retry);
  if (problem !== undefined) throw new JobTypeError(`${where}: ${problem}`);
  return {
    name,
    retry,
    timeoutMs: step.timeoutMs ?? job.stepTimeoutMs ?? DEFAULT_STEP_TIMEOUT_MS,
    async activity(args, context) {
      // The schemas of the input and of the earlier steps have made it what its type says.
      const returned = await step.run(args as StepArguments<Input, Results>, context);
      const { data, error } = await step.output.safeParseAsync(returned);
      if (error !== undefined) throw new OutputValidationError(name, error.message, { cause: error });
      return data as Json;
    },
  };
}

function requireDuration(where: string, name: string, durationMs: number | undefined): void {
  if (durationMs === undefined || (Number.isSafeInteger(durationMs) && durationMs > 0)) return;
  throw new JobTypeError(`${where}: ${name} is ${durationMs}: use whole milliseconds from 1`);
}
