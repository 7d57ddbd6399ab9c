/** A run as people and programs see it: `almanac run describe -o json`. */
import type { JobTypeId, RunId } from '../domain/ids.ts';
import { progressOf, type RunProgress } from '../domain/run-progress.ts';
import { describeState, isFinal } from '../domain/statechart/snapshot.ts';
import type { StoredRunEvent } from './ports.ts';

export interface RunView {
  readonly id: RunId;
  readonly jobType: JobTypeId;
  /** Where the statechart is, e.g. `reconciling`, or was when it ended. */
  readonly state: string;
  /** Name of the final state, e.g. `succeeded`; null while the run goes on. */
  readonly outcome: string | null;
  /** Where its statechart keeps it: see {@link progressOf}. */
  readonly progress?: RunProgress;
  readonly startedAt: string;
  readonly endedAt: string | null;
  readonly input: unknown;
  readonly output: unknown;
  /** Only when an error ended the run that no state of the statechart took. */
  readonly error?: { readonly name: string; readonly message: string };
}

/** @param first The run's first event, for its input. */
export function viewOf({ jobType, runId, event }: StoredRunEvent, first: StoredRunEvent | undefined): RunView {
  const { snapshot, outcome, startedAt } = event.data;
  const progress = progressOf(snapshot);
  return {
    id: runId,
    jobType,
    state: describeState(snapshot.value),
    outcome: outcome ?? null,
    ...(progress && { progress }),
    startedAt,
    endedAt: isFinal(snapshot) ? event.time : null,
    input: first?.event.data.input ?? null,
    output: snapshot.output ?? null,
    ...(snapshot.error && { error: snapshot.error }),
  };
}
