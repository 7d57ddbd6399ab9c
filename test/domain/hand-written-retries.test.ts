/** A statechart written by hand with the pieces of `retry.ts` and `policy()` decides as a defined job does, to the millisecond. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { defineJob } from '../../src/domain/define-job.ts';
import { type Instant, instant } from '../../src/domain/ids.ts';
import { type RunPolicy, resolvePolicy } from '../../src/domain/run-policy.ts';
import {
  activityDone,
  activityFailed,
  type FoldableStatechart,
  foldable,
  type Stimulus,
  timerFired,
} from '../../src/domain/statechart/fold.ts';
import { lint, lintForHost } from '../../src/domain/statechart/lint.ts';
import type { SerializedError } from '../../src/domain/statechart/serialized-error.ts';
import { outcomeOf, outstanding, type Snapshot } from '../../src/domain/statechart/snapshot.ts';
import { expectFoldEqualsInterpreter } from '../support/expect-fold-equals-interpreter.ts';
import { handWrittenJob } from '../support/hand-written-job.ts';

const nothing = { output: z.null(), run: async () => null };
const defined = defineJob({ id: 'defined', summary: '', input: z.object({}) })
  .step('fetch', nothing)
  .step('store', nothing)
  .build();

type Move = { readonly do: 'succeed' | 'elapse' | 'retry' | 'cancel' } | { readonly do: 'fail'; readonly error: SerializedError };

/** What can be seen of a run from outside, whatever its states are called. */
class Played {
  readonly #statechart: FoldableStatechart;
  #snapshot: Snapshot;
  #at: Instant = instant(1_000_000);
  #revision = 1;

  constructor(statechart: FoldableStatechart, policy: RunPolicy) {
    this.#statechart = statechart;
    this.#snapshot = this.#statechart.start({}, { ...this.#environment, policy }).snapshot;
  }

  get view() {
    const { activities, timers } = outstanding(this.#snapshot);
    return {
      at: this.#at,
      attempts: activities.map(({ id, input }) => [id, (input as { attempt: number }).attempt]),
      dueAt: timers.map(({ dueAt }) => dueAt).sort((a, b) => a - b),
      outcome: outcomeOf(this.#snapshot),
      error: (this.#snapshot.output as { error?: SerializedError | null } | undefined)?.error ?? null,
    };
  }

  play(move: Move): void {
    const stimulus = this.#stimulus(move);
    if (stimulus === undefined) return;
    this.#revision++;
    const step = this.#statechart.step(this.#snapshot, stimulus, this.#environment);
    if (step !== undefined) this.#snapshot = JSON.parse(JSON.stringify(step.snapshot));
  }

  get #environment() {
    return { at: this.#at, seed: `run:${this.#revision}` };
  }

  #stimulus(move: Move): Stimulus | undefined {
    const { activities, timers } = outstanding(this.#snapshot);
    const [activity] = activities;
    switch (move.do) {
      case 'succeed':
        return activity && activityDone(activity.id, activity.visit, null);
      case 'fail':
        return activity && activityFailed(activity.id, activity.visit, move.error);
      case 'elapse': {
        const [next] = timers.toSorted((a, b) => a.dueAt - b.dueAt);
        if (next !== undefined) this.#at = instant(Math.max(this.#at, next.dueAt));
        return next && timerFired(next.id, next.visit, next);
      }
      default:
        return { kind: 'event', event: { type: move.do } };
    }
  }
}

const policy = fc
  .record({
    maxAttempts: fc.integer({ min: 1, max: 4 }),
    timeoutMs: fc.integer({ min: 1, max: 90_000 }),
    storeTimeoutMs: fc.integer({ min: 1, max: 90_000 }),
    runTimeoutMs: fc.integer({ min: 100_000, max: 400_000 }),
    jitter: fc.constantFrom('full' as const, 'equal' as const, 'none' as const),
  })
  .map(({ maxAttempts, timeoutMs, storeTimeoutMs, runTimeoutMs, jitter }) =>
    resolvePolicy({
      timeoutMs: runTimeoutMs,
      each: { retry: { maxAttempts, jitter }, timeoutMs },
      activities: { store: { timeoutMs: storeTimeoutMs } },
    }),
  );
const error: fc.Arbitrary<SerializedError> = fc.constantFrom(
  { name: 'Transient', message: 'try again' },
  { name: 'Busy', message: 'not so fast', retryAfterMs: 30_000 },
  { name: 'Unavailable', message: 'not now', unavailable: true, retryAfterMs: 5_000 },
  { name: 'Unavailable', message: 'not now', unavailable: true },
  { name: 'Fatal', message: 'give up', retryable: false },
);
const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('fail' as const), error }) },
  { weight: 4, arbitrary: fc.constant({ do: 'elapse' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'retry' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'succeed' as const }) },
);

it('attempts, waits, deadlines, outcome and error are the same, whatever happens', () => {
  const [one, other] = [foldable(defined.jobType.machine), foldable(handWrittenJob)];
  const outcomes = new Set<string | undefined>();
  fc.assert(
    fc.property(
      policy,
      fc.array(fc.oneof({ weight: 30, arbitrary: move }, { weight: 1, arbitrary: fc.constant({ do: 'cancel' as const }) }), {
        maxLength: 40,
      }),
      (numbers, moves) => {
        const runs = [new Played(one, numbers), new Played(other, numbers)] as const;
        expect(runs[1].view).toEqual(runs[0].view);
        for (const each of moves) {
          for (const run of runs) run.play(each);
          expect(runs[1].view).toEqual(runs[0].view);
        }
        outcomes.add(runs[0].view.outcome);
      },
    ),
    { numRuns: 1_000, seed: 7 },
  );
  expect([...outcomes].sort()).toEqual(['cancelled', 'failed', 'succeeded', 'timedOut', undefined]);
});

it('the one written by hand can be registered, and folds as XState interprets it', () => {
  expect([...lint(handWrittenJob), ...lintForHost(handWrittenJob)]).toEqual([]);
  const events = [{ type: 'retry' }, { type: 'unheard.of' }];
  const reached = expectFoldEqualsInterpreter(handWrittenJob, {}, { events, seeds: 200, policy: resolvePolicy({ timeoutMs: 5_400_000 }) });
  expect([...reached].sort()).toEqual(
    ['fetching', 'storing', 'backingOff', 'succeeded', 'failed', 'timedOut'].map((state) => JSON.stringify(state)).sort(),
  );
});
