import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { fuzz } from './fuzz.ts';

// XState warns of charts like these.
beforeAll(() => void vi.spyOn(console, 'warn').mockImplementation(() => {}));
afterAll(() => void vi.restoreAllMocks());

describe('random statecharts', () => {
  it('fold, plain and memoised, to the states of the interpreter', () => {
    const report = fuzz({ machines: 250, maxMoves: 25 });
    expect(report.failures).toEqual([]);
    expect(report.moves).toBeGreaterThan(2500);
    // What cannot be compared stays the exception: below the 3 % that XState itself gets wrong with history, and some luck.
    expect(report.verdicts.illegal + report.verdicts.pathOrder).toBeLessThan(0.08 * report.machines);
    expect(report.memoised).toBeGreaterThan(5 * report.fellBack);
    expect(report.startedFromMemory).toBeGreaterThan(0.7 * report.machines);
  });

  it('are never brought into an illegal configuration without history states', () => {
    const report = fuzz({ machines: 150, maxMoves: 25, firstSeed: 50_000, history: false });
    expect(report.failures).toEqual([]);
    expect(report.verdicts).toEqual({ equal: 150, different: 0, illegal: 0, pathOrder: 0 });
    expect(report.moves).toBeGreaterThan(1500);
  });
});
