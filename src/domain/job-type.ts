/** What the registry knows of a job type: a statechart, the shape of its input, and how it is to be run. */
import type { AnyStateMachine } from 'xstate';
import type { z } from 'zod';
import type { Activities } from './activity.ts';
import type { Adoption } from './adoption.ts';
import { NotFoundError } from './errors.ts';
import type { JobTypeId } from './ids.ts';
import { type Rate, rateProblem } from './rate-limit.ts';
import type { StatedPolicy } from './run-policy.ts';

/** Start commands of a higher lane do not wait behind those of a lower one. */
export const LANES = ['high', 'normal', 'low'] as const;
export type Lane = (typeof LANES)[number];

/**
 * Runs at once over all replicas. Each lane has its own share, so that neither can block another; the limit of the job type is their sum.
 * There always is a lane `normal`: commands go there that name none, and those of schedules.
 */
export type LaneLimits = Readonly<{ normal: number } & Partial<Record<Lane, number>>>;

export const DEFAULT_CONCURRENCY = 16;

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
  /** Runs at once over all replicas. A number is that of the only lane, `normal`. @default 16 */
  readonly concurrency?: number | LaneLimits;
  /** How many runs may begin over all replicas, e.g. `{ runs: 10, perMs: 60_000 }`. @default as many as come */
  readonly rate?: Rate;
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

/** Of the lanes there are, highest first. */
export function laneLimits({ concurrency = DEFAULT_CONCURRENCY }: Pick<JobType, 'concurrency'>): ReadonlyMap<Lane, number> {
  const limits: Partial<Record<Lane, number>> = typeof concurrency === 'number' ? { normal: concurrency } : concurrency;
  return new Map(LANES.flatMap((lane) => (limits[lane] === undefined ? [] : [[lane, limits[lane]]])));
}

/** To whoever sent a command to a lane that the job type does not have. */
export const noSuchLane = (jobType: string, lane: Lane, lanes: Iterable<Lane>) =>
  `job type ${jobType} has no lane ${lane}; it has: ${[...lanes].join(', ')}`;

/** What is wrong with the limits, in people's words. */
export function limitProblems(jobType: Pick<JobType, 'concurrency' | 'rate'>): string[] {
  const { concurrency, rate } = jobType;
  const problems: string[] = [];
  const unknown = typeof concurrency === 'object' ? Object.keys(concurrency).filter((name) => !LANES.includes(name as Lane)) : [];
  for (const name of unknown) problems.push(`concurrency: there is no lane ${name}: use ${LANES.join(', ')}`);
  const limits = laneLimits(jobType);
  if (!limits.has('normal')) problems.push('concurrency: lane normal is missing: commands that name no lane go there');
  for (const [lane, limit] of limits) {
    if (!Number.isSafeInteger(limit) || limit < 1) problems.push(`concurrency of lane ${lane} is ${limit}: use a whole number from 1`);
  }
  const wrongRate = rate && rateProblem(rate);
  if (wrongRate !== undefined) problems.push(wrongRate);
  return problems;
}
