import type { Activity } from '../../src/domain/activity.ts';

/** An activity that lasts until the test lets it end, or its run is stopped; over all hosts that were given it. */
export class HeldWork {
  readonly #going = new Map<string, () => void>();
  /** Runs in the order they were begun; a run that goes on elsewhere stands there again. */
  readonly begun: string[] = [];
  /** The most that were carried out at once. */
  most = 0;

  readonly work: Activity<string, unknown> = (_, { runId, signal }) =>
    new Promise((resolve, reject) => {
      const end = (settle: () => void) => {
        this.#going.delete(runId);
        settle();
      };
      this.#going.set(runId, () => end(() => resolve(null)));
      signal.addEventListener('abort', () => end(() => reject(signal.reason)));
      this.begun.push(runId);
      this.most = Math.max(this.most, this.#going.size);
    });

  get going(): string[] {
    return [...this.#going.keys()];
  }

  letEnd(run = this.going[0]!): void {
    this.#going.get(run)!();
  }
}
