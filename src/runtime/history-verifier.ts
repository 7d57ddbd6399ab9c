/** Checks that the log and the fold of it say the same (invariant 1), for any number of interleaved runs. */
import { AlmanacError } from '../domain/errors.ts';
import type { JobType } from '../domain/job-type.ts';
import { type StoredEvent, verifyNext } from '../domain/run.ts';
import { cloudEventSubject } from '../domain/run-event.ts';
import { type FoldableStatechart, foldable } from '../domain/statechart/fold.ts';
import { outcomeOf } from '../domain/statechart/snapshot.ts';
import type { StoredRunEvent } from './ports.ts';

export class HistoryVerifier {
  readonly #statecharts: ReadonlyMap<string, FoldableStatechart>;
  /** Last event of each run that may go on: one that has succeeded never does, any other end may be followed by a new beginning. */
  readonly #open = new Map<string, StoredEvent>();
  readonly #problems: string[] = [];
  readonly #reported = new Set<string>();
  readonly #complete: boolean;
  #runs = 0;
  #events = 0;

  /** @param complete The log is read from its beginning: an event that continues nothing is a problem, not a later part of a history. */
  constructor(jobTypes: readonly JobType[], { complete }: { complete: boolean }) {
    this.#complete = complete;
    this.#statecharts = new Map(jobTypes.map(({ id, machine }) => [id, foldable(machine)]));
  }

  /** In the order of the log. */
  take({ jobType, runId, event, bytes }: StoredRunEvent): undefined {
    const run = cloudEventSubject(jobType, runId);
    const before = this.#open.get(run);
    const continuesNothing = before === undefined && event.data.revision > 1;
    if (this.#reported.has(run) || (continuesNothing && !this.#complete)) return;
    if (before === undefined && !continuesNothing) this.#runs++;
    this.#events++;
    const problem = continuesNothing
      ? `${run} revision ${event.data.revision}: the event before it is missing, or was the last one`
      : this.#check(jobType, run, before, { event, bytes });
    if (problem !== undefined) {
      this.#problems.push(problem);
      this.#reported.add(run);
    }
    if (problem !== undefined || outcomeOf(event.data.snapshot) === 'succeeded') this.#open.delete(run);
    else this.#open.set(run, { event, bytes });
  }

  foreign({ subject, sequence }: { subject: string; sequence: number }): void {
    this.#problems.push(`${subject}: the message at ${sequence} is not a run event`);
  }

  result(): { runs: number; events: number; problems: string[] } {
    return { runs: this.#runs, events: this.#events, problems: this.#problems };
  }

  #check(jobType: string, run: string, before: StoredEvent | undefined, stored: StoredEvent): string | undefined {
    const statechart = this.#statecharts.get(jobType);
    if (statechart === undefined) return `${run}: job type ${jobType} is not known here`;
    const { subject, data } = stored.event;
    if (subject !== run) return `${run} revision ${data.revision}: the event belongs to ${subject}`;
    if (data.definition !== statechart.definitionHash)
      return `${run} revision ${data.revision}: made on another definition of its statechart`;
    try {
      verifyNext(statechart, before, stored);
      return undefined;
    } catch (error) {
      if (error instanceof AlmanacError) return error.message; // also when the statechart cannot hear what the event says it heard
      throw error;
    }
  }
}
