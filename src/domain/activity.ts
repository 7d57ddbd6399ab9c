/** Work on the outside world, asked for by a statechart and done by whoever holds the run's lease. */
import type { JobTypeId, RunId } from './ids.ts';
import type { Lane } from './job-type.ts';

/** How far a long piece of work has come; shown to people, never used for decisions. */
export interface Progress {
  readonly done: number;
  /** Absent while unknown. Same unit as `done`. */
  readonly total?: number;
  /** What is counted or what is going on, e.g. `files`. */
  readonly note?: string;
}

export interface ActivityLog {
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
}

/** A run that another one starts, and is told the end of: its statechart hears `{ type: 'child.finished', child, jobType, outcome, output? }`. */
export interface Child {
  readonly jobType: string;
  /** Names it: the same id twice is one child. Begin it with the parent's, so that it is unique. */
  readonly runId: string;
  readonly input?: unknown;
  readonly lane?: Lane;
}

/** Runs of other job types, started and cancelled for the run of the activity. */
export interface Children {
  /** Resolves once every start command is stored. Doing it again is harmless. @throws {InvalidIdError} An id is no token of a subject. */
  start(children: readonly Child[]): Promise<void>;
  /** Resolves once every signal is stored; each child then ends as `cancelled`, unless it has ended before. Throws as `start`. */
  cancel(children: readonly Pick<Child, 'jobType' | 'runId'>[], why: string): Promise<void>;
}

export interface ActivityContext {
  readonly jobType: JobTypeId;
  readonly runId: RunId;
  /** The invoke's id in the statechart. */
  readonly activityId: string;
  /** Grows each time the statechart starts an activity or timer: the fencing token of this start. */
  readonly visit: number;
  /**
   * `runId/activityId/visit`: the same when another process takes the run over and starts the activity again, so use it to make
   * outside effects idempotent.
   */
  readonly idempotencyKey: string;
  /** W3C trace context of the run, to be passed on to whoever is asked for something. */
  readonly traceparent?: string | undefined;
  /** Aborted when the statechart leaves the invoking state, the lease is lost or the process stops. Heed it. */
  readonly signal: AbortSignal;
  /** Cheap: call as often as you like, it is thinned out. */
  progress(progress: Progress): void;
  readonly log: ActivityLog;
  readonly children: Children;
}

/**
 * May run more than once for the same key (a crash, a stolen lease): make the outside effect idempotent. Input and output are JSON.
 * Throwing gives the statechart its `onError`; throw a `TerminalError` when trying again is useless.
 */
export type Activity<Input, Output> = (input: Input, context: ActivityContext) => Promise<Output>;

/** The activities of one job type, by the name its statechart invokes them (`src`). */
// biome-ignore lint/suspicious/noExplicitAny: a registry holds activities of every input and output; each machine's own map is typed.
export type Activities = Readonly<Record<string, Activity<any, unknown>>>;
