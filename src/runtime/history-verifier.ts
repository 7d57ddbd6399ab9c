/** Checks that the log and the fold of it say the same (invariant 1), for any number of interleaved runs. */
import { Definitions } from '../domain/definitions.ts';
import { AlmanacError } from '../domain/errors.ts';
import type { JobType } from '../domain/job-type.ts';
import { cloudEventSubject } from '../domain/run-event.ts';
import type { FoldableStatechart } from '../domain/statechart/fold.ts';
import { outcomeOf } from '../domain/statechart/snapshot.ts';
import { type StoredEvent, verifyNext } from '../domain/verify-history.ts';
import type { StoredRunEvent } from './ports.ts';

export interface Verdict {
  readonly runs: number;
  readonly events: number;
  readonly problems: readonly string[];
  /** What could not be checked, and why. */
  readonly notes: readonly string[];
}

interface NotFolded {
  readonly runs: Set<string>;
  events: number;
}

export class HistoryVerifier {
  /** By job type, then by definition. */
  readonly #statecharts: ReadonlyMap<string, ReadonlyMap<string, FoldableStatechart>>;
  /** Last event of each run that goes on, or may begin anew; one that has ended well has nothing after it. */
  readonly #open = new Map<string, StoredEvent>();
  readonly #problems: string[] = [];
  readonly #reported = new Set<string>();
  /** By job type and definition. */
  readonly #notFolded = new Map<string, NotFolded>();
  readonly #complete: boolean;
  #runs = 0;
  #events = 0;

  /** @param complete The log is read from its beginning: an event that continues nothing is a problem, not a later part of a history. */
  constructor(jobTypes: readonly JobType[], { complete }: { complete: boolean }) {
    this.#complete = complete;
    this.#statecharts = new Map(jobTypes.map((jobType) => [jobType.id, new Definitions(jobType).registered]));
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

  result(): Verdict {
    const notes = [...this.#notFolded].map(
      ([definition, { runs, events }]) =>
        `${events} events of ${runs.size} runs were made on ${definition}, which is not registered here: their hash chain and fields are ` +
        'right, but they were not folded again. Register it (`previous` of the job type) to check that, too',
    );
    return { runs: this.#runs, events: this.#events, problems: this.#problems, notes };
  }

  #check(jobType: string, run: string, before: StoredEvent | undefined, stored: StoredEvent): string | undefined {
    const statecharts = this.#statecharts.get(jobType);
    if (statecharts === undefined) return `${run}: job type ${jobType} is not known here`;
    const { subject, data } = stored.event;
    if (subject !== run) return `${run} revision ${data.revision}: the event belongs to ${subject}`;
    const statechart = statecharts.get(data.definition);
    try {
      verifyNext(statechart, before, stored);
    } catch (error) {
      if (error instanceof AlmanacError) return error.message; // also when the statechart cannot hear what the event says it heard
      throw error;
    }
    if (statechart === undefined) this.#couldNotFold(`definition ${data.definition} of ${jobType}`, run);
    return undefined;
  }

  #couldNotFold(definition: string, run: string): void {
    let noted = this.#notFolded.get(definition);
    if (noted === undefined) {
      noted = { runs: new Set(), events: 0 };
      this.#notFolded.set(definition, noted);
    }
    noted.runs.add(run);
    noted.events++;
  }
}
