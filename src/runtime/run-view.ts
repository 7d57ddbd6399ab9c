/** A run as people and programs see it: `almanac run describe -o json`. */
import type { JobTypeId, RunId } from '../domain/ids.ts';
import { progressOf, type RunProgress } from '../domain/run-progress.ts';
import { describeState, isFinal } from '../domain/statechart/snapshot.ts';
import type { Alert, StoredRunEvent } from './ports.ts';

export interface RunView {
  readonly id: RunId;
  readonly jobType: JobTypeId;
  /** Where the statechart is, e.g. `reconciling`, or was when it ended. */
  readonly state: string;
  /** Name of the final state, e.g. `succeeded`; null while the run goes on. */
  readonly outcome: string | null;
  /** Nobody holds the run: it waits until then (ISO 8601, UTC), or, where that is null, for a signal alone. Null while it is held or over. */
  readonly waiting: { readonly until: string | null } | null;
  /** Where its statechart keeps it: see {@link progressOf}. */
  readonly progress?: RunProgress;
  readonly startedAt: string;
  readonly endedAt: string | null;
  readonly input: unknown;
  readonly output: unknown;
  /** Only when an error ended the run that no state of the statechart took. */
  readonly error?: { readonly name: string; readonly message: string };
}

export interface RunDescription extends RunView {
  /** Why nothing happens to the run until somebody does something, and what; null when it goes on or has ended. */
  readonly held: { readonly code: string; readonly reason: string } | null;
}

/** @param alert About the run, raised after its last event. */
export function heldBy({ jobType, summary, facts: { code, state } }: Alert): RunDescription['held'] {
  if (state === 'held') return { code, reason: `${summary}\nIt is tried again by itself: a deployment that can continue it is enough` };
  return {
    code,
    reason: `${summary}\nIt is laid aside (almanac dlq list --job ${jobType}); almanac dlq redrive continues it once it can go on`,
  };
}

/** @param first The run's first event, for its input. */
export function viewOf({ jobType, runId, event }: StoredRunEvent, first: StoredRunEvent | undefined): RunView {
  const { snapshot, outcome, parked, startedAt } = event.data;
  const progress = progressOf(snapshot);
  return {
    id: runId,
    jobType,
    state: describeState(snapshot.value),
    outcome: outcome ?? null,
    waiting: parked === undefined ? null : { until: parked.until },
    ...(progress && { progress }),
    startedAt,
    endedAt: isFinal(snapshot) ? event.time : null,
    input: first?.event.data.input ?? null,
    output: snapshot.output ?? null,
    ...(snapshot.error && { error: snapshot.error }),
  };
}
