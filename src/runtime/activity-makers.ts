/** Ways to an activity that is more than a function of ours. What they make are ordinary activities: nothing else knows the difference. */
import type { z } from 'zod';
import type { Activity } from '../domain/activity.ts';

export interface ActivityMakers {
  /** Done by a worker on NATS, in any language. Guarded by a circuit breaker of its own, one for each subject. */
  remote<Output = unknown>(options?: RemoteActivityOptions<Output>): Activity<unknown, Output>;
  /** What a module exports, done in a worker thread, because it computes for long. */
  thread<Input, Output>(file: URL, exportName: string): Activity<Input, Output>;
  /** To be made once for whatever several activities need, so that they share what is known of it. */
  dependency(name: string, limits?: DependencyLimits): Dependency;
  /** The same activity, as one call of a dependency. */
  guarded<Input, Output>(dependency: Dependency, activity: Activity<Input, Output>): Activity<Input, Output>;
}

export interface RemoteActivityOptions<Output> {
  /** What the worker listens on. @default `activity.<jobType>.<activityId>`, the latter being the invoke's id in the statechart */
  readonly subject?: string;
  /** A worker that says nothing for so long, not even `alive`, is given up, in milliseconds. @default 30_000 */
  readonly silenceMs?: number;
  /** For all of it, however much the worker says; it is told the instant as `deadline`. In milliseconds. @default no limit */
  readonly timeoutMs?: number;
  /** Checks the output; what it refuses fails for good. @default any JSON */
  readonly output?: z.ZodType<Output>;
}

/** Something outside that may be out of order, e.g. a database, an HTTP service, the workers of a subject. */
export interface Dependency {
  readonly name: string;
  /**
   * @param work Gets a signal that is aborted with `signal`, and when the time of the call is up.
   * @throws {UnavailableError} Not called: the dependency is out of order, or has enough to do. Costs the run no attempt.
   * @throws {DependencyTimeoutError} It took too long.
   */
  run<Result>(work: (signal: AbortSignal) => Promise<Result>, signal: AbortSignal): Promise<Result>;
}

export interface DependencyLimits {
  /** @default opens after 5 failures in a row */
  readonly breaker?: BreakerLimits;
  /** @default any number of calls at once */
  readonly bulkhead?: {
    /** Calls at once in this process. */
    readonly concurrent: number;
    /** Calls that wait for one of them to end; further ones are refused. @default 0 */
    readonly queue?: number;
  };
  /** Of one call, in milliseconds; one that goes on in spite of its signal is not waited for. @default no limit */
  readonly timeoutMs?: number;
}

/** When calls are refused without being made: after failures in a row, or when more than a share of the last calls failed. */
export type BreakerLimits = ({ readonly consecutive: number } | { readonly share: number; readonly ofLast: number }) & {
  /** For so long; then one call is made as a probe, and its result decides. In milliseconds. @default 10_000 */
  readonly openMs?: number;
};
