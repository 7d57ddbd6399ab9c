/** Random statecharts, folded and interpreted side by side. */
import { type Comparison, compare } from '../../support/differential.ts';
import { randomStatechart } from '../../support/random-statechart.ts';
import { SeededRandom } from '../../support/seeded-random.ts';

export interface FuzzOptions {
  readonly machines: number;
  readonly maxMoves: number;
  readonly firstSeed?: number;
  readonly history?: boolean;
}

export interface FuzzReport {
  readonly machines: number;
  /** XState itself could not build or start it. */
  readonly invalid: number;
  readonly moves: number;
  readonly verdicts: Readonly<Record<Comparison['verdict'], number>>;
  readonly endedInThrow: number;
  readonly startedFromMemory: number;
  readonly memoised: number;
  readonly fellBack: number;
  /** Enough of each difference to play it again. */
  readonly failures: readonly string[];
}

export function fuzz({ machines, maxMoves, firstSeed = 1, history = true }: FuzzOptions): FuzzReport {
  const verdicts = { equal: 0, different: 0, illegal: 0, pathOrder: 0 };
  const failures: string[] = [];
  let [invalid, moves, endedInThrow, startedFromMemory, memoised, fellBack] = [0, 0, 0, 0, 0, 0];
  for (let seed = firstSeed; seed < firstSeed + machines; seed++) {
    const built = tryBuild(seed, history);
    if (built === undefined) {
      invalid++;
      continue;
    }
    const output = (_: string, random: SeededRandom) => random.int(9);
    try {
      const result = compare({ ...built, input: { n: seed % 5 }, maxMoves, output }, new SeededRandom(`moves ${seed}`));
      verdicts[result.verdict]++;
      moves += result.moves.length;
      if (result.startedFromMemory) startedFromMemory++;
      memoised += result.memoised;
      fellBack += result.fellBack;
      if (result.threw !== undefined) endedInThrow++;
      if (result.verdict === 'different') failures.push(describe(seed, JSON.stringify(result.moves), result.differences.join('\n  ')));
    } catch (error) {
      verdicts.different++;
      failures.push(describe(seed, '', error instanceof Error ? (error.stack ?? error.message) : String(error)));
    }
  }
  return { machines, invalid, moves, verdicts, endedInThrow, startedFromMemory, memoised, fellBack, failures };
}

function tryBuild(seed: number, history: boolean) {
  try {
    return randomStatechart(seed, { history });
  } catch {
    return undefined;
  }
}

const describe = (seed: number, moves: string, difference: string): string => `seed ${seed}, moves ${moves}\n  ${difference}`;
