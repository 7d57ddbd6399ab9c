import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { AdoptionRefusedError } from '../../src/domain/errors.ts';
import { resolvePolicy } from '../../src/domain/run-policy.ts';
import { adopt, run } from '../support/adoptions.ts';
import { FoldedRun } from '../support/folded-run.ts';
import { randomStatechart } from '../support/random-statechart.ts';
import { SeededRandom } from '../support/seeded-random.ts';

describe('random statecharts', () => {
  // XState warns of charts like these.
  beforeAll(() => void vi.spyOn(console, 'warn').mockImplementation(() => {}));
  afterAll(() => void vi.restoreAllMocks());

  it('adopt their own runs as they are', () => {
    // Actors and messages that nobody hears on the old definition either. And XState in a configuration that is none.
    const known = /its state does not take its result|no state takes '|its states are not regions side by side|was never in this region/;
    let same = 0;
    for (let seed = 1; seed <= 80; seed++) {
      const random = new SeededRandom(`adopt ${seed}`);
      const { machine, events } = randomStatechart(seed);
      const played = new FoldedRun(machine, { n: seed % 5 }, resolvePolicy(), {});
      for (let moves = 0; moves < 12 && played.active; moves++) {
        const before = { ...run, definition: played.statechart.definitionHash, snapshot: played.snapshot };
        try {
          expect(adopt(before, machine, { from: machine }).event.data.snapshot).toEqual(played.snapshot);
          same++;
        } catch (error) {
          if (!(error instanceof AdoptionRefusedError)) throw error;
          expect(error.issues.filter((issue) => !known.test(issue))).toEqual([]);
        }
        played.play({ do: 'hear', event: random.pick(events) });
        if (played.active) played.play({ do: 'elapse', ms: random.int(10) });
      }
    }
    expect(same).toBeGreaterThan(400);
  });
});
