/** Checks that the log and the fold of it say the same (invariant 1), for any number of interleaved runs. */
import { HistoryMismatchError } from '../domain/errors.ts';
import type { JobType } from '../domain/job-type.ts';
import { type StoredEvent, verifyNext } from '../domain/run.ts';
import { type FoldableStatechart, foldable } from '../domain/statechart/fold.ts';
import { isFinal } from '../domain/statechart/snapshot.ts';
import type { StoredRunEvent } from './ports.ts';

export class HistoryVerifier {
  readonly #statecharts: ReadonlyMap<string, FoldableStatechart>;
  /** Last event of each run that goes on; a final one has nothing after it. */
  readonly #open = new Map<string, StoredEvent>();
  readonly #problems: string[] = [];
  #runs = 0;
  #events = 0;

  constructor(jobTypes: readonly JobType[]) {
    this.#statecharts = new Map(jobTypes.map(({ id, machine }) => [id, foldable(machine)]));
  }

  /** In the order of the log. */
  take({ jobType, event, bytes }: StoredRunEvent): undefined {
    const before = this.#open.get(event.subject);
    if (before === undefined && event.data.revision > 1) return; // its beginning was not read, or it was reported already
    const statechart = this.#statecharts.get(jobType);
    if (before === undefined) this.#runs++;
    this.#events++;
    const problem =
      statechart === undefined
        ? `${event.subject}: job type ${jobType} is not known here`
        : this.#check(statechart, before, { event, bytes });
    if (problem !== undefined) this.#problems.push(problem);
    if (problem !== undefined || isFinal(event.data.snapshot)) this.#open.delete(event.subject);
    else this.#open.set(event.subject, { event, bytes });
  }

  foreign({ subject, sequence }: { subject: string; sequence: number }): void {
    this.#problems.push(`${subject}: the message at ${sequence} is not a run event`);
  }

  result(): { runs: number; events: number; problems: string[] } {
    return { runs: this.#runs, events: this.#events, problems: this.#problems };
  }

  #check(statechart: FoldableStatechart, before: StoredEvent | undefined, stored: StoredEvent): string | undefined {
    const { definition, revision } = stored.event.data;
    if (definition !== statechart.definitionHash)
      return `${stored.event.subject} revision ${revision}: made on another definition of its statechart`;
    try {
      verifyNext(statechart, before, stored);
      return undefined;
    } catch (error) {
      if (error instanceof HistoryMismatchError) return error.message;
      throw error;
    }
  }
}
