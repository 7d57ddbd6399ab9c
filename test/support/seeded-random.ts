/** Randomness for tests: the seed alone decides, so a failure can be played again. */
import { seededRandom } from '../../src/domain/statechart/environment.ts';

export class SeededRandom {
  /** In [0, 1). */
  readonly next: () => number;

  constructor(seed: number | string) {
    this.next = seededRandom(`test:${seed}`);
  }

  /** In [0, limit). */
  int(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<Item>(items: readonly Item[]): Item {
    if (items.length === 0) throw new RangeError('nothing to pick from');
    return items[this.int(items.length)]!;
  }
}
