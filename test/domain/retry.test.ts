import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RetryAfterError, TerminalError, UnavailableError } from '../../src/domain/errors.ts';
import {
  attemptError,
  backoffMs,
  canRetry,
  DEFAULT_RETRY,
  nextAttempt,
  problemOf,
  type RetryPolicy,
  retryDelayMs,
  runTimeoutError,
  unavailableInARow,
} from '../../src/domain/retry.ts';
import { MAX_RETRY_AFTER_MS, type SerializedError, serializeError } from '../../src/domain/statechart/serialized-error.ts';

const policy = fc
  .record({
    maxAttempts: fc.integer({ min: 1, max: 1_000 }),
    initialMs: fc.nat(100_000),
    factor: fc.double({ min: 1, max: 10, noNaN: true }),
    aboveInitialMs: fc.nat(10_000_000),
    jitter: fc.constantFrom('full' as const, 'equal' as const, 'none' as const),
  })
  .map(({ aboveInitialMs, ...rest }): RetryPolicy => ({ ...rest, maxMs: rest.initialMs + aboveInitialMs }));
const attempt = fc.integer({ min: 1, max: 5_000 });
const unit = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
/** What jitter may take away at most from. */
const longestMs = (of: RetryPolicy, after: number) => backoffMs({ ...of, jitter: 'none' }, after, 0);

describe('the wait after a failed attempt', () => {
  it('is whole milliseconds within the limits of the policy and its jitter', () => {
    fc.assert(
      fc.property(policy, attempt, unit, (of, after, chance) => {
        expect(problemOf(of)).toBeUndefined();
        const waitMs = backoffMs(of, after, chance);
        expect(Number.isSafeInteger(waitMs)).toBe(true);
        const longest = longestMs(of, after);
        expect(longest).toBeLessThanOrEqual(of.maxMs);
        expect(longest).toBeGreaterThanOrEqual(of.initialMs);
        expect(waitMs).toBeLessThanOrEqual(longest);
        expect(waitMs).toBeGreaterThanOrEqual({ full: 0, equal: Math.floor(longest / 2), none: longest }[of.jitter]);
      }),
    );
  });

  it('never shrinks from attempt to attempt, for the same chance', () => {
    fc.assert(
      fc.property(policy, attempt, unit, (of, after, chance) => {
        expect(backoffMs(of, after + 1, chance)).toBeGreaterThanOrEqual(backoffMs(of, after, chance));
      }),
    );
  });

  it('grows with chance, over its whole range', () => {
    fc.assert(
      fc.property(policy, attempt, unit, unit, (of, after, one, other) => {
        expect(backoffMs(of, after, Math.max(one, other))).toBeGreaterThanOrEqual(backoffMs(of, after, Math.min(one, other)));
      }),
    );
    expect([0, 0.5, 0.999].map((chance) => backoffMs(DEFAULT_RETRY, 1, chance))).toEqual([0, 500, 999]);
    expect([0, 0.5, 0.999].map((chance) => backoffMs({ ...DEFAULT_RETRY, jitter: 'equal' }, 1, chance))).toEqual([500, 750, 999]);
  });

  it('doubles from a second to a minute by default', () => {
    expect([1, 2, 3, 6, 7, 100, 5_000].map((after) => longestMs(DEFAULT_RETRY, after))).toEqual([
      1_000, 2_000, 4_000, 32_000, 60_000, 60_000, 60_000,
    ]);
  });

  it('is nothing when there is nothing to grow', () => {
    expect(backoffMs({ ...DEFAULT_RETRY, initialMs: 0 }, 5_000, 0.5)).toBe(0);
  });

  it('is never shorter than the other side asks for', () => {
    fc.assert(
      fc.property(policy, attempt, unit, fc.nat(100_000_000), (of, after, chance, retryAfterMs) => {
        expect(retryDelayMs(of, after, 0, { retryAfterMs }, chance)).toBe(Math.max(retryAfterMs, backoffMs(of, after, chance)));
        expect(retryDelayMs(of, after, 0, {}, chance)).toBe(backoffMs(of, after, chance));
      }),
    );
  });

  it('is that of the attempt when nothing was tried, and grows when that happens again and again', () => {
    const outage: Pick<SerializedError, 'unavailable' | 'retryAfterMs'> = { unavailable: true };
    const waits = (after: number, times: number) => {
      let inARow = 0;
      return Array.from({ length: times }, () => {
        inARow = unavailableInARow(inARow, outage);
        return retryDelayMs({ ...DEFAULT_RETRY, jitter: 'none' }, after, inARow, outage, 0);
      });
    };
    expect(waits(1, 8)).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
    expect(waits(3, 4)).toEqual([4_000, 4_000, 4_000, 8_000]);
    expect([unavailableInARow(7, {}), unavailableInARow(7, { unavailable: true })]).toEqual([0, 8]);
    fc.assert(
      fc.property(policy, attempt, fc.nat(5_000), unit, (of, after, inARow, chance) => {
        const waitMs = retryDelayMs(of, after, inARow, outage, chance);
        expect(waitMs).toBeGreaterThanOrEqual(backoffMs(of, after, chance));
        expect(waitMs).toBeLessThanOrEqual(of.maxMs);
      }),
    );
  });
});

describe('another attempt', () => {
  const of = { ...DEFAULT_RETRY, maxAttempts: 3 };

  it('follows until all are used up', () => {
    const error = serializeError(new Error('try again'));
    expect([1, 2, 3, 4].map((number) => canRetry(of, number, error))).toEqual([true, true, false, false]);
  });

  it('does not follow what can only fail again', () => {
    expect(canRetry(of, 1, serializeError(new TerminalError('no such vault')))).toBe(false);
    expect(canRetry(of, 1, { retryable: true })).toBe(true);
    expect(canRetry(of, 1, { retryable: false, unavailable: true })).toBe(false);
  });

  it('is the same one again, whatever was used up, when nothing was tried', () => {
    const error = serializeError(new UnavailableError('the vault', 'not mounted', 1));
    expect([1, 3, 99].map((number) => [canRetry(of, number, error), nextAttempt(number, error)])).toEqual([
      [true, 1],
      [true, 3],
      [true, 99],
    ]);
    expect([nextAttempt(0, null), nextAttempt(1, serializeError(new Error('try again')))]).toEqual([1, 2]);
  });

  it('is the last one exactly when so many have failed as the policy allows, however often nothing was tried between them', () => {
    const error = fc.constantFrom({}, { unavailable: true as const }, { retryable: true });
    fc.assert(
      fc.property(policy, fc.array(error, { maxLength: 60 }), ({ maxAttempts: most, ...rest }, errors) => {
        const limited = { ...rest, maxAttempts: 1 + (most % 10) };
        let number = nextAttempt(0, null);
        let failed = 0;
        for (const ended of errors) {
          if (!('unavailable' in ended)) failed++;
          expect(canRetry(limited, number, ended)).toBe('unavailable' in ended || failed < limited.maxAttempts);
          if (!canRetry(limited, number, ended)) return;
          number = nextAttempt(number, ended);
          expect(number).toBe(failed + 1);
        }
      }),
    );
  });
});

describe('an attempt ends with', () => {
  it('what its activity threw', () => {
    expect(attemptError({ type: 'xstate.error.actor.a', error: new TerminalError('no') }, 'a', 5)).toMatchObject({ code: 'TERMINAL' });
  });

  it('the end of its time, or of that of the run, with what failed before', () => {
    const error = attemptError({ type: 'xstate.after.x' }, 'a', 5);
    expect(error).toEqual({ name: 'AttemptTimeoutError', message: 'an attempt of a took longer than 5 ms' });
    expect(runTimeoutError(9, null)).toEqual({ name: 'RunTimeoutError', message: 'the run took longer than 9 ms' });
    expect(runTimeoutError(9, error)).toMatchObject({ name: 'RunTimeoutError', cause: error });
  });
});

it.each([
  [2_000, 2_000],
  [0, 0],
  [0.2, 1],
  [1e300, MAX_RETRY_AFTER_MS],
  [-1, undefined],
  [Number.NaN, undefined],
])('a wish to be left alone for %d ms is recorded as %s', (wished, recorded) => {
  const { retryAfterMs } = serializeError(new RetryAfterError('busy', wished));
  expect(retryAfterMs).toBe(recorded);
});

it.each([
  { maxAttempts: 0 },
  { maxAttempts: 1.5 },
  { initialMs: -1 },
  { initialMs: Number.NaN },
  { maxMs: 999 },
  { maxMs: 1e300 },
  { factor: 0.5 },
  { factor: Number.POSITIVE_INFINITY },
])('%j is no policy', (wrong) => {
  expect(problemOf({ ...DEFAULT_RETRY, ...wrong })).toContain(Object.keys(wrong)[0]);
});
