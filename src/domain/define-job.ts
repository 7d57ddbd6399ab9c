/** The common sequence in a few lines: steps one after the other, each retried, with time limits, pause and cancel. */
import type { z } from 'zod';
import type { Activities, Activity, ActivityContext } from './activity.ts';
import { JobTypeError, OutputValidationError } from './errors.ts';
import { jobTypeId } from './ids.ts';
import type { JobType } from './job-type.ts';
import { problemOf, type RetryPolicy } from './retry.ts';
import { activityPolicy, durationProblem, resolvePolicy, type StatedActivityPolicy, type StatedPolicy } from './run-policy.ts';
import type { Json } from './statechart/json.ts';
import { type StepInput, stepwiseStatechart } from './stepwise-statechart.ts';

/** Inputs and outputs go through the log, so a schema whose output JSON would change, e.g. a date, does not fit. */
type JsonSchema = z.ZodType<Json>;

export interface JobOptions<Input extends JsonSchema> extends Omit<JobType, 'machine' | 'policy'> {
  readonly input: Input;
  /** Of every step that does not say otherwise. What is left out, too, is as the settings say. */
  readonly retry?: Partial<RetryPolicy>;
  /** Of the whole run, waits and pauses included; then it ends as `timedOut`. @default 24 hours */
  readonly timeoutMs?: number;
  /** Of one attempt of a step that does not say otherwise. @default as the settings say */
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

interface DefinedStep {
  readonly name: string;
  readonly policy: StatedActivityPolicy;
  readonly activity: Activity<StepInput, Json>;
}

/** And nothing that every object has, e.g. `constructor`. */
const STEP_NAME = /^[A-Za-z][A-Za-z0-9_-]*$/;

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
      const { retry: _, timeoutMs: __, stepTimeoutMs: ___, ...jobType } = options;
      const names = steps.map(({ name }) => name);
      return {
        jobType: { ...jobType, policy: policyOf(options, steps), machine: stepwiseStatechart(options.id, names) },
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
  const policy = stated(step.retry, step.timeoutMs);
  const { retry } = activityPolicy(resolvePolicy(policyOf(job, [{ name, policy }])), name);
  const problem = problemOf(retry);
  if (problem !== undefined) throw new JobTypeError(`${where}: ${problem}`);
  return {
    name,
    policy,
    async activity(args, context) {
      // The schemas of the input and of the earlier steps have made it what its type says.
      const returned = await step.run(args as StepArguments<Input, Results>, context);
      const { data, error } = await step.output.safeParseAsync(returned);
      if (error !== undefined) throw new OutputValidationError(name, error.message, { cause: error });
      return data as Json;
    },
  };
}

function policyOf(job: JobOptions<JsonSchema>, steps: readonly Pick<DefinedStep, 'name' | 'policy'>[]): StatedPolicy {
  const { timeoutMs, retry, stepTimeoutMs } = job;
  const own = steps.filter(({ policy }) => Object.keys(policy).length > 0).map(({ name, policy }) => [name, policy]);
  return {
    ...(timeoutMs !== undefined && { timeoutMs }),
    each: stated(retry, stepTimeoutMs),
    ...(own.length > 0 && { activities: Object.fromEntries(own) }),
  };
}

const stated = (retry: Partial<RetryPolicy> | undefined, timeoutMs: number | undefined): StatedActivityPolicy => ({
  ...(retry !== undefined && { retry }),
  ...(timeoutMs !== undefined && { timeoutMs }),
});

function requireDuration(where: string, name: string, durationMs: number | undefined): void {
  const problem = durationMs === undefined ? undefined : durationProblem(name, durationMs);
  if (problem !== undefined) throw new JobTypeError(`${where}: ${problem}`);
}
