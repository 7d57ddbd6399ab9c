/**
 * Time limits and retries of a run. A job type states some of them, the settings give the rest, and the first event of the run keeps the
 * result: a run goes on, and is verified, under the numbers it started with, whatever a later deployment says (invariant 9). Plain JSON.
 */
import { DEFAULT_RETRY, problemOf, type RetryPolicy } from './retry.ts';

export interface ActivityPolicy {
  readonly retry: RetryPolicy;
  /** Of one attempt, in whole milliseconds. */
  readonly timeoutMs: number;
}

export interface RunPolicy {
  /** Of the whole run, waits and pauses included, in whole milliseconds. */
  readonly timeoutMs: number;
  /** Of every activity that `activities` does not name. */
  readonly each: ActivityPolicy;
  /** By the activity's name in the statechart's `actors`. */
  readonly activities?: Readonly<Record<string, ActivityPolicy>>;
}

export interface StatedActivityPolicy {
  readonly retry?: Partial<RetryPolicy>;
  readonly timeoutMs?: number;
}

/** What a job type says itself, of a {@link RunPolicy}. What `activities` leaves out is as `each` says; what nobody says is a setting. */
export interface StatedPolicy {
  /** @default 24 hours */
  readonly timeoutMs?: number;
  readonly each?: StatedActivityPolicy;
  readonly activities?: Readonly<Record<string, StatedActivityPolicy>>;
}

/** What a deployment may say for all job types that do not. */
export interface PolicyDefaults {
  /** The first one included. */
  readonly maxAttempts: number;
  /** In whole milliseconds. */
  readonly attemptTimeoutMs: number;
}

export const POLICY_DEFAULTS: PolicyDefaults = { maxAttempts: DEFAULT_RETRY.maxAttempts, attemptTimeoutMs: 3_600_000 };
const DEFAULT_RUN_TIMEOUT_MS = 24 * 3_600_000;

export function resolvePolicy(stated: StatedPolicy = {}, defaults: PolicyDefaults = POLICY_DEFAULTS): RunPolicy {
  const { timeoutMs = DEFAULT_RUN_TIMEOUT_MS, each: all = {}, activities } = stated;
  const unstated = { retry: { ...DEFAULT_RETRY, maxAttempts: defaults.maxAttempts }, timeoutMs: defaults.attemptTimeoutMs };
  const each = completed(all, unstated);
  if (activities === undefined) return { timeoutMs, each };
  return { timeoutMs, each, activities: Object.fromEntries(Object.entries(activities).map(([name, own]) => [name, completed(own, each)])) };
}

const completed = ({ retry, timeoutMs }: StatedActivityPolicy, rest: ActivityPolicy): ActivityPolicy => ({
  retry: { ...rest.retry, ...retry },
  timeoutMs: timeoutMs ?? rest.timeoutMs,
});

/** @param activity Its name in the statechart's `actors`. */
export function activityPolicy({ activities = {}, each }: RunPolicy, activity: string): ActivityPolicy {
  return Object.hasOwn(activities, activity) ? activities[activity]! : each;
}

/** What is wrong with what a job type states. @param activities Those that it has. */
export function policyProblems(stated: StatedPolicy, activities: readonly string[]): string[] {
  const { timeoutMs, each, activities: own = {} } = resolvePolicy(stated);
  const unknown = Object.keys(own).filter((name) => !activities.includes(name));
  const found = [
    durationProblem('timeoutMs', timeoutMs),
    ...activityProblems('each', each),
    ...Object.entries(own).flatMap(([name, policy]) => activityProblems(`activities.${name}`, policy)),
    ...unknown.map((name) => `activities.${name}: there is no such activity; there are ${activities.join(', ')}`),
  ];
  return found.filter((problem) => problem !== undefined);
}

function activityProblems(where: string, { retry, timeoutMs }: ActivityPolicy): string[] {
  const found = [problemOf(retry), durationProblem('timeoutMs', timeoutMs)];
  return found.filter((problem) => problem !== undefined).map((problem) => `${where}: ${problem}`);
}

/** Undefined: nothing is wrong with it. */
export function durationProblem(name: string, durationMs: number): string | undefined {
  if (Number.isSafeInteger(durationMs) && durationMs > 0) return undefined;
  return `${name} is ${durationMs}: use whole milliseconds from 1`;
}
