/** Plays the same moves through the fold, plain and memoised, and through XState's interpreter, and compares after each. */
import { isDeepStrictEqual } from 'node:util';
import type { AnyEventObject, AnyStateMachine } from 'xstate';
import { type RunPolicy, resolvePolicy } from '../../src/domain/run-policy.ts';
import type { SerializedError } from '../../src/domain/statechart/serialized-error.ts';
import { outstanding } from '../../src/domain/statechart/snapshot.ts';
import { FoldedRun } from './folded-run.ts';
import { LiveOracle } from './live-oracle.ts';
import type { Move, View } from './play-view.ts';
import type { SeededRandom } from './seeded-random.ts';

export interface Play {
  readonly machine: AnyStateMachine;
  readonly input: unknown;
  /** External events to try at any time. */
  readonly events: readonly AnyEventObject[];
  /** What an activity answers, by its `src`. */
  readonly output: (src: string, random: SeededRandom) => unknown;
  readonly maxMoves: number;
  /** @default as for a job type that states nothing */
  readonly policy?: RunPolicy | undefined;
}

export type Comparison = {
  /**
   * `illegal` and `pathOrder` are the two things a fold cannot and need not imitate: XState in a configuration that is none, and
   * regions answering in the order of their last entry.
   */
  readonly verdict: 'equal' | 'different' | 'illegal' | 'pathOrder';
  readonly moves: readonly Move[];
  readonly differences: readonly string[];
  readonly threw: string | undefined;
  /** State values seen, as JSON. */
  readonly values: ReadonlySet<string>;
  readonly startedFromMemory: boolean;
  readonly memoised: number;
  readonly fellBack: number;
};

export function compare(play: Play, random: SeededRandom): Comparison {
  const { machine, input, policy = resolvePolicy() } = play;
  const live = new LiveOracle(machine, input, policy);
  const plain = new FoldedRun(machine, input, policy, { memoise: false });
  const memoised = new FoldedRun(machine, input, policy, { memoise: true });
  const moves: Move[] = [];
  const values = new Set<string>();
  const result = (verdict: Comparison['verdict'], differences: readonly string[] = []): Comparison => ({
    verdict,
    moves,
    differences,
    threw: plain.threw?.message,
    values,
    startedFromMemory: memoised.startedFromMemory,
    memoised: memoised.statechart.stats.memoised,
    fellBack: memoised.statechart.stats.plain,
  });

  let inDocumentOrder = live.inDocumentOrder;
  for (;;) {
    const [plainView, memoisedView] = [plain.look(), memoised.look()];
    if (plain.decided !== memoised.decided) return result('different', [`bytes: plain ${plain.decided} memoised ${memoised.decided}`]);
    const folds = differences('plain', plainView, 'memoised', memoisedView);
    if (folds.length > 0) return result('different', folds);
    if (!live.legal) return result('illegal');
    const found = differences('live', live.look(), 'fold', plainView);
    if (found.length > 0) return result(inDocumentOrder ? 'different' : 'pathOrder', found);
    values.add(JSON.stringify(plainView.value));
    if (!plain.active || moves.length === play.maxMoves) return result('equal');

    const move = chooseMove(play, plain, random);
    if (move === undefined) return result('equal');
    moves.push(move);
    inDocumentOrder = live.inDocumentOrder;
    live.play(move);
    plain.play(move);
    memoised.play(move);
  }
}

/** What differs along a path that is given, after the first move that makes a difference; empty: nothing does. */
export function differencesAlong(
  { machine, input, policy = resolvePolicy() }: Pick<Play, 'machine' | 'input' | 'policy'>,
  moves: readonly Move[],
): readonly string[] {
  const live = new LiveOracle(machine, input, policy);
  const plain = new FoldedRun(machine, input, policy, { memoise: false });
  const memoised = new FoldedRun(machine, input, policy, { memoise: true });
  for (const [index, move] of [undefined, ...moves].entries()) {
    if (move !== undefined) for (const party of [live, plain, memoised]) party.play(move);
    if (move !== undefined && move.do !== 'hear' && plain.decided === '') return [`move ${index}: ${JSON.stringify(move)} was refused`];
    if (!live.legal) return [`move ${index}: the interpreter is in a configuration that is none`];
    const [plainView, memoisedView] = [plain.look(), memoised.look()];
    const found = [...differences('live', live.look(), 'fold', plainView), ...differences('plain', plainView, 'memoised', memoisedView)];
    if (plain.decided !== memoised.decided) found.push(`bytes: plain ${plain.decided} memoised ${memoised.decided}`);
    if (found.length > 0) return [`move ${index}: ${JSON.stringify(move)}`, ...found];
  }
  return [];
}

const ERRORS: readonly SerializedError[] = [
  { name: 'Transient', message: 'try again' },
  { name: 'Fatal', message: 'give up', retryable: false },
  { name: 'Unavailable', message: 'not now', unavailable: true, retryAfterMs: 70_000 },
];
/** A chart that arms ever more timers is cut off here: every further move would only be slower. */
const MAX_TIMERS = 40;

function chooseMove({ events, output }: Play, run: FoldedRun, random: SeededRandom): Move | undefined {
  const { activities, timers } = outstanding(run.snapshot);
  if (timers.length > MAX_TIMERS) return undefined;
  const kinds: Move['do'][] = [
    ...(events.length > 0 ? (['hear', 'hear', 'hear'] as const) : []),
    ...(activities.length > 0 ? (['resolve', 'resolve', 'reject'] as const) : []),
    ...(timers.length > 0 ? (['elapse', 'elapse'] as const) : []),
  ];
  if (kinds.length === 0) return undefined;
  const kind = random.pick(kinds);
  switch (kind) {
    case 'hear':
      return { do: 'hear', event: random.pick(events) };
    case 'resolve': {
      const { id, src } = random.pick(activities);
      return { do: 'resolve', id, output: output(src, random) };
    }
    case 'reject':
      return { do: 'reject', id: random.pick(activities).id, error: random.pick(ERRORS) };
    case 'elapse':
      return { do: 'elapse', ms: run.msToNextTimer()! };
  }
}

function differences(nameA: string, a: View, nameB: string, b: View): string[] {
  // When the machine's code throws, the fold stores nothing; the interpreter is over and has already run the actions before it.
  const threw = a.error !== undefined && a.error === b.error && (a.value === undefined || b.value === undefined);
  const parts = threw ? (['status'] as const) : (Object.keys(a) as (keyof View)[]);
  return parts
    .filter((part) => !isDeepStrictEqual(asJson(a[part]), asJson(b[part])))
    .map((part) => `${part}: ${nameA} ${JSON.stringify(a[part])} ${nameB} ${JSON.stringify(b[part])}`);
}

const asJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value ?? null));
