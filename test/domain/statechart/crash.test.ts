import { describe, expect, it } from 'vitest';
import { foldable } from '../../../src/domain/statechart/fold.ts';
import { outcomeOf, outstanding } from '../../../src/domain/statechart/snapshot.ts';
import { ConflictError, Crash, Holder, newWorld, refold, type World } from '../../support/crashing-runs.ts';
import { IMAGE_INPUT, IMAGE_OUTPUTS, imageJob } from '../../support/image-job.ts';

const RUNS = 200;
const CRASH_PROBABILITY = 0.12;

const isOver = ({ log }: World) => log.last !== undefined && outcomeOf(log.last.snapshot) !== undefined;

/** What the last event says is going on is exactly what all effects so far have left. */
function expectLevelEqualsEdges({ log }: World): void {
  const { activities, timers } = outstanding(log.last!.snapshot);
  expect([...log.goingOn].sort()).toEqual([...activities, ...timers].map(({ id, visit }) => `${id} ${visit}`).sort());
}

describe('crash anywhere', () => {
  it.each([true, false])('every run ends, and the last event alone is enough to go on (memoised: %s)', (memoise) => {
    const statechart = foldable(imageJob, { memoise });
    const outcomes: Record<string, number> = {};
    let crashes = 0;
    for (let seed = 1; seed <= RUNS; seed++) {
      const world = newWorld(statechart, IMAGE_INPUT, IMAGE_OUTPUTS, seed);
      const mayCrash = () => {
        if (world.random() < CRASH_PROBABILITY) throw new Crash();
      };
      for (let attempt = 0; attempt < 500 && !isOver(world); attempt++) {
        try {
          new Holder(world, mayCrash).work();
        } catch (error) {
          if (!(error instanceof Crash)) throw error;
          crashes++;
        }
        if (world.log.revision > 0) expectLevelEqualsEdges(world);
      }
      const outcome = outcomeOf(world.log.last!.snapshot);
      expect(outcome, `run ${seed}`).toBeDefined();
      outcomes[outcome!] = (outcomes[outcome!] ?? 0) + 1;
      expect(refold(world)).toEqual(world.log.events.map(({ snapshot }) => JSON.stringify(snapshot)));

      const revision = world.log.revision;
      for (const late of world.delivered) new Holder(world, () => {}).deliver(late);
      expect(world.log.revision).toBe(revision);
    }
    expect(crashes).toBeGreaterThan(2 * RUNS);
    expect(Object.keys(outcomes).sort()).toEqual(['expired', 'failed', 'succeeded']);
  });

  it('the old holder that comes back loses: one writer wins', () => {
    const world = newWorld(foldable(imageJob), IMAGE_INPUT, IMAGE_OUTPUTS, 1);
    new Holder(world, () => {}).work();
    const before = world.log.revision;
    // It has decided, and another holder appends before it can.
    let overtake = 2;
    const overtaken = new Holder(world, () => {
      if (--overtake === 0) new Holder(world, () => {}).deliver({ kind: 'event', event: { type: 'pause' } });
    });
    expect(() => overtaken.deliver({ kind: 'event', event: { type: 'cancel' } })).toThrow(ConflictError);
    expect(world.log.revision).toBe(before + 1);
    expect(outcomeOf(world.log.last!.snapshot)).toBeUndefined();
  });

  it('a result that arrives again after every event of the run is heard once', () => {
    const world = newWorld(foldable(imageJob), IMAGE_INPUT, IMAGE_OUTPUTS, 7);
    while (!isOver(world)) {
      new Holder(world, () => {}).work();
      const revision = world.log.revision;
      for (const again of [...world.delivered]) new Holder(world, () => {}).deliver(again);
      expect(world.log.revision).toBe(revision);
    }
    expect(world.delivered.length).toBeGreaterThan(3);
  });
});
