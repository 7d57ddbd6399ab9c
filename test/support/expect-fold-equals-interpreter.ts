import { expect } from 'vitest';
import type { AnyEventObject, AnyStateMachine } from 'xstate';
import type { RunPolicy } from '../../src/domain/run-policy.ts';
import { compare } from './differential.ts';
import { SeededRandom } from './seeded-random.ts';

export interface DifferentialOptions {
  /** External events to try at any time. */
  readonly events: readonly AnyEventObject[];
  /** Random sequences to play. */
  readonly seeds: number;
  /** What each activity answers, by its `src`. @default an empty object */
  readonly outputs?: Readonly<Record<string, unknown>>;
  /** Longest sequence. @default 40 */
  readonly maxMoves?: number;
  /** @default as for a job type that states nothing */
  readonly policy?: RunPolicy;
}

/**
 * For this machine, folding gives the same states as XState's own interpreter over random sequences of events, results and timers, each
 * snapshot going through JSON. Activities are puppets. Fails when the machine's own code throws, too: its outputs are then incomplete.
 *
 * @returns The state values that were reached, as JSON, for asserting on coverage.
 */
export function expectFoldEqualsInterpreter(
  machine: AnyStateMachine,
  input: unknown,
  { events, seeds, outputs = {}, maxMoves = 40, policy }: DifferentialOptions,
): ReadonlySet<string> {
  const reached = new Set<string>();
  for (let seed = 1; seed <= seeds; seed++) {
    const play = { machine, input, events, maxMoves, policy, output: (src: string) => outputs[src] ?? {} };
    const { verdict, differences, threw, moves, values } = compare(play, new SeededRandom(seed));
    expect({ verdict, differences, threw }, `${machine.id}, seed ${seed}, after ${JSON.stringify(moves)}`).toEqual({
      verdict: 'equal',
      differences: [],
      threw: undefined,
    });
    for (const value of values) reached.add(value);
  }
  expect(reached.size, `${machine.id} never left its initial state`).toBeGreaterThan(1);
  return reached;
}
