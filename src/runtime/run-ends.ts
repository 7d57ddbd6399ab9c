/**
 * Which runs of a schedule are not waited for any more. Nearly always a run's own log tells; one that nobody carries on, because its command
 * became a dead letter, must not block its schedule for ever.
 */
import type { RunId, Sequence } from '../domain/ids.ts';
import { REFUSED } from '../domain/outcome.ts';
import { isFinal, outcomeOf } from '../domain/statechart/snapshot.ts';
import type { LaidAsideRuns, QueuedRuns, RunAddress, RunLog, StoredRunEvent } from './ports.ts';
import type { KnownSchedule } from './schedule-book.ts';

export interface RunEndsOptions {
  readonly runs: RunLog;
  readonly queued: QueuedRuns;
  readonly laidAside: LaidAsideRuns;
}

/** Of a run that was laid aside: should it go on later, it does so beside those that were started meanwhile. */
const LAID_ASIDE = 'failed';

export class RunEnds {
  readonly #options: RunEndsOptions;

  constructor(options: RunEndsOptions) {
    this.#options = options;
  }

  /** The outcome of each of its `running` runs that has ended. */
  async of({ state: { spec, running }, undone }: KnownSchedule): Promise<ReadonlyMap<RunId, string>> {
    const { jobType } = spec;
    const unsent = new Set(undone?.effects.flatMap((effect) => (effect.type === 'start' ? [effect.occurrence.runId] : [])));
    const ends = running.map(async ({ runId }): Promise<[RunId, string][]> => {
      const end = await this.#endOf({ jobType, runId }, !unsent.has(runId));
      return end === undefined ? [] : [[runId, end]];
    });
    return new Map((await Promise.all(ends)).flat());
  }

  /** A run that may have to be waited for is asked for by the command at that place. */
  sent(run: RunAddress, place: number): void {
    this.#options.queued.remember(run, place);
  }

  /** @param asked Place in the log of what asks for the run. */
  async wasAskedFor(run: RunAddress, asked: Sequence): Promise<boolean> {
    const { runs, laidAside } = this.#options;
    return (await runs.last(run.jobType, run.runId, 'fast')) !== undefined || (await laidAside.isRefused(run, asked));
  }

  async hasEnded({ jobType, runId }: RunAddress): Promise<boolean> {
    const last = await this.#options.runs.last(jobType, runId, 'fast');
    return last !== undefined && isFinal(last.event.data.snapshot);
  }

  /** @param isSent Its start command has been stored. */
  async #endOf(run: RunAddress, isSent: boolean): Promise<string | undefined> {
    const { runs, queued } = this.#options;
    const last = await runs.last(run.jobType, run.runId, 'fast');
    if (last !== undefined) return this.#endOfBegun(last);
    if (!isSent || (await queued.has(run))) return undefined;
    const since = await runs.last(run.jobType, run.runId, 'exact'); // it may have begun, and its command be gone, since we looked
    return since === undefined ? REFUSED : this.#endOfBegun(since);
  }

  async #endOfBegun(last: StoredRunEvent): Promise<string | undefined> {
    const { snapshot } = last.event.data;
    if (isFinal(snapshot)) return outcomeOf(snapshot) ?? '';
    return (await this.#options.laidAside.isLaidAside(last)) ? LAID_ASIDE : undefined;
  }
}
