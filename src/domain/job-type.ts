/** What the registry knows of a job type: a statechart, the shape of its input, and how it is to be run. */
import type { AnyStateMachine } from 'xstate';
import type { z } from 'zod';
import type { Activities } from './activity.ts';
import type { Adoption } from './adoption.ts';
import { NotFoundError } from './errors.ts';
import type { JobTypeId } from './ids.ts';
import type { StatedPolicy } from './run-policy.ts';

/** Start commands of a higher lane do not wait behind those of a lower one. */
export const LANES = ['high', 'normal', 'low'] as const;
export type Lane = (typeof LANES)[number];

export interface PreviousDefinition {
  readonly machine: AnyStateMachine;
  /** Those the newest definition does not have, or has with other code, by the names this machine invokes them. */
  readonly activities?: Activities;
}

export interface JobType {
  /** Safe subject token, e.g. `vault-sync`. */
  readonly id: string;
  /** One line for `almanac job list`. */
  readonly summary: string;
  readonly machine: AnyStateMachine;
  /**
   * Definitions that runs in flight may still be on: those runs finish on them, new ones start on `machine`. Remove one when
   * `almanac job check` shows no run on it any more.
   */
  readonly previous?: readonly PreviousDefinition[];
  /** How runs on definitions that are not registered any more move to `machine`. Without an entry they are held. */
  readonly adopt?: readonly Adoption[];
  /** Parses the input of a start command; its output is the machine's input. */
  readonly input: z.ZodType;
  /** Runs at once over all replicas. @default 16 */
  readonly concurrency?: number;
  /** Five or six field cron expression of the default schedule; absent: on demand only. */
  readonly cron?: string;
  /** Time limits and retries, where the settings are not right; for statecharts that ask for `policy()`. */
  readonly policy?: StatedPolicy;
  /**
   * How long a start command may wait for a run to begin, in whole milliseconds, counted from when it was stored; then it becomes a dead
   * letter. By the clocks of the NATS server and of this machine, which should agree. @default for ever
   */
  readonly queueTimeoutMs?: number;
}

/** @throws {NotFoundError} Names those there are. */
export function jobTypeOf(jobTypes: readonly JobType[], id: JobTypeId): JobType {
  const jobType = jobTypes.find((known) => known.id === id);
  if (jobType !== undefined) return jobType;
  throw new NotFoundError(`there is no job type ${id}; known are: ${jobTypes.map((known) => known.id).join(', ')}`);
}
