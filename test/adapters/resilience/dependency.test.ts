import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { dependencies, dependency } from '../../../src/adapters/resilience/dependency.ts';
import { guarded } from '../../../src/adapters/resilience/guarded.ts';
import { systemClock } from '../../../src/adapters/system/clock.ts';
import { TerminalError, UnavailableError } from '../../../src/domain/errors.ts';
import type { Dependency, DependencyLimits } from '../../../src/runtime/activity-makers.ts';
import type { DependencyObserver } from '../../../src/runtime/ports.ts';
import { activityContext } from '../../support/activity-context.ts';

// The library looks at the clock of the system, so that is the one that the tests move.
beforeEach(() => void vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

/** The clock looks once more at what time it is before it calls back. */
const LOOK_MS = 1;

let seen: string[];
const observer: DependencyObserver = {
  breaker: (name, state) => void seen.push(`${name} ${state}`),
  refused: (name, by) => void seen.push(`${name} refused by ${by}`),
};
beforeEach(() => {
  seen = [];
});
const make = (limits: DependencyLimits = {}) => dependency('db', limits, observer, systemClock);
const never = new AbortController().signal;
const ok = () => Promise.resolve('ok');
const broken = () => Promise.reject(new Error('broken'));
const failureOf = (call: Promise<unknown>) =>
  call.then(
    () => expect.unreachable(),
    (error: unknown) => error,
  );

/** Calls that end when the test says so. */
function pending() {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  return { work: () => promise, resolve, reject };
}

async function failing(db: Dependency, times: number): Promise<void> {
  for (let n = 0; n < times; n++) expect(await failureOf(db.run(broken, never))).toMatchObject({ message: 'broken' });
}

describe('the breaker', () => {
  it('opens after failures in a row, and says for how long', async () => {
    const db = make({ breaker: { consecutive: 3, openMs: 5_000 } });
    await failing(db, 2);
    expect(await db.run(ok, never)).toBe('ok');
    await failing(db, 3);
    await vi.advanceTimersByTimeAsync(1_500);
    const called = vi.fn(ok);
    const refusal = await failureOf(db.run(called, never));
    expect(refusal).toBeInstanceOf(UnavailableError);
    expect(refusal).toMatchObject({ unavailable: true, dependency: 'db', retryAfterMs: 3_500 });
    expect(called).not.toHaveBeenCalled();
    expect(seen).toEqual(['db open', 'db refused by breaker']);
  });

  it('opens when more than a share of the last calls failed', async () => {
    const db = make({ breaker: { share: 0.5, ofLast: 4 } });
    for (const work of [ok, broken, ok, broken, ok]) await db.run(work, never).catch(() => undefined);
    expect(seen).toEqual([]);
    await failing(db, 2);
    expect(seen).toEqual(['db open']);
  });

  it('lets one call through as a probe, refuses others meanwhile, and closes when it succeeds', async () => {
    const db = make({ breaker: { consecutive: 1, openMs: 5_000 } });
    await failing(db, 1);
    await vi.advanceTimersByTimeAsync(5_000);
    const { work, resolve } = pending();
    const probe = db.run(work, never);
    expect(await failureOf(db.run(ok, never))).toMatchObject({ unavailable: true, retryAfterMs: 2_000 });
    resolve('up');
    expect(await probe).toBe('up');
    expect(await db.run(ok, never)).toBe('ok');
    expect(seen).toEqual(['db open', 'db halfOpen', 'db refused by breaker', 'db closed']);
  });

  it('stays open when the probe fails', async () => {
    const db = make({ breaker: { consecutive: 1, openMs: 5_000 } });
    await failing(db, 1);
    await vi.advanceTimersByTimeAsync(5_000);
    await failing(db, 1);
    expect(await failureOf(db.run(ok, never))).toMatchObject({ retryAfterMs: 5_000 });
    expect(seen).toEqual(['db open', 'db halfOpen', 'db open', 'db refused by breaker']);
  });

  it('takes a probe that goes on for a minute as passed, and its result still reaches its caller', async () => {
    const db = make({ breaker: { consecutive: 1, openMs: 5_000 } });
    await failing(db, 1);
    await vi.advanceTimersByTimeAsync(5_000);
    const { work, reject } = pending();
    const probe = failureOf(db.run(work, never));
    await vi.advanceTimersByTimeAsync(60_000 + LOOK_MS);
    expect(await db.run(ok, never)).toBe('ok');
    reject(new Error('late'));
    expect(await probe).toMatchObject({ message: 'late' });
    expect(seen).toEqual(['db open', 'db halfOpen', 'db closed']);
  });

  it.each([
    ['is terminal', () => Promise.reject(new TerminalError('no such row'))],
    ['says that something else is out of order', () => Promise.reject(new UnavailableError('dns', 'gone', 1))],
  ])('does not count an error that %s', async (_, work) => {
    const db = make({ breaker: { consecutive: 1 } });
    await failureOf(db.run(work, never));
    expect(await db.run(ok, never)).toBe('ok');
    expect(seen).toEqual([]);
  });

  it('does not count a call that was aborted, and takes it for no proof that the dependency is well again', async () => {
    const db = make({ breaker: { consecutive: 1, openMs: 5_000 } });
    const aborted = async () => {
      const abort = new AbortController();
      const { work, reject } = pending();
      const failure = failureOf(db.run(work, abort.signal));
      abort.abort(new Error('left the state'));
      reject(abort.signal.reason);
      expect(await failure).toBe(abort.signal.reason);
    };
    await aborted();
    expect(seen).toEqual([]);
    await failing(db, 1);
    await vi.advanceTimersByTimeAsync(5_000);
    await aborted();
    expect(seen).toEqual(['db open', 'db halfOpen', 'db open']);
  });

  it('of a dependency that refuses for good has seen that it answers', async () => {
    const db = make({ breaker: { consecutive: 1, openMs: 5_000 } });
    await failing(db, 1);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(await failureOf(db.run(() => Promise.reject(new TerminalError('no such row')), never))).toBeInstanceOf(TerminalError);
    expect(seen).toEqual(['db open', 'db halfOpen', 'db closed']);
  });
});

describe('the bulkhead', () => {
  it('makes so many calls at once, lets so many wait, and refuses the rest', async () => {
    const db = make({ bulkhead: { concurrent: 1, queue: 1 } });
    const first = pending();
    const one = db.run(first.work, never);
    const second = vi.fn(ok);
    const two = db.run(second, never);
    expect(await failureOf(db.run(ok, never))).toMatchObject({ unavailable: true, dependency: 'db', retryAfterMs: 2_000 });
    expect(second).not.toHaveBeenCalled();
    first.resolve('first');
    expect(await Promise.all([one, two])).toEqual(['first', 'ok']);
    expect(seen).toEqual(['db refused by bulkhead']);
  });

  it('forgets a call that is aborted while it waits, at once', async () => {
    const db = make({ bulkhead: { concurrent: 1, queue: 1 } });
    const first = pending();
    const one = db.run(first.work, never);
    const abort = new AbortController();
    const waiting = vi.fn(ok);
    const two = failureOf(db.run(waiting, abort.signal));
    abort.abort(new Error('left the state'));
    expect(await two).toBe(abort.signal.reason);
    first.resolve('first');
    expect(await one).toBe('first');
    expect(await db.run(ok, never)).toBe('ok');
    expect(waiting).not.toHaveBeenCalled();
  });

  it('refuses a call whose turn comes after the breaker has opened', async () => {
    const db = make({ bulkhead: { concurrent: 1, queue: 1 }, breaker: { consecutive: 1 } });
    const first = pending();
    const one = failureOf(db.run(first.work, never));
    const waiting = vi.fn(ok);
    const two = failureOf(db.run(waiting, never));
    first.reject(new Error('broken'));
    await one;
    expect(await two).toMatchObject({ unavailable: true, retryAfterMs: 10_000 });
    expect(waiting).not.toHaveBeenCalled();
  });
});

it('a call that takes too long is told, not waited for, and counts as a failure', async () => {
  const db = make({ timeoutMs: 1_000, breaker: { consecutive: 1 } });
  let told: unknown;
  const failure = failureOf(
    db.run((signal) => {
      signal.addEventListener('abort', () => {
        told = signal.reason;
      });
      return new Promise(() => undefined);
    }, never),
  );
  await vi.advanceTimersByTimeAsync(1_000 + LOOK_MS);
  expect(await failure).toMatchObject({ code: 'DEPENDENCY_TIMEOUT', message: 'db did not answer within 1000 ms' });
  expect(told).toBe(await failure);
  expect(seen).toEqual(['db open']);
});

it('a call that ends in time leaves no timer behind', async () => {
  const db = make({ timeoutMs: 1_000 });
  await db.run(ok, never);
  expect(vi.getTimerCount()).toBe(0);
});

it('a guarded activity is a call of its dependency, by the one that its start needs', async () => {
  const of = dependencies({ breaker: { consecutive: 1 } }, observer, systemClock);
  const activity = guarded(
    ({ activityId }) => of(activityId),
    async (input: string, { signal, runId }) => {
      if (input === 'break') throw new Error('broken');
      return { input, runId, aborted: signal.aborted };
    },
  );
  await failureOf(activity('break', activityContext({ activityId: 'a' })));
  expect(await failureOf(activity('x', activityContext({ activityId: 'a' })))).toMatchObject({ unavailable: true, dependency: 'a' });
  expect(await activity('x', activityContext({ activityId: 'b' }))).toEqual({ input: 'x', runId: 'run-1', aborted: false });
});

it.each<[string, DependencyLimits]>([
  ['consecutive is 0', { breaker: { consecutive: 0 } }],
  ['openMs is 0.5', { breaker: { consecutive: 1, openMs: 0.5 } }],
  ['between (0, 1), got 50', { breaker: { share: 50, ofLast: 10 } }],
  ['ofLast is -1', { breaker: { share: 0.5, ofLast: -1 } }],
  ['concurrent is NaN', { bulkhead: { concurrent: Number.NaN } }],
  ['timeoutMs is Infinity', { timeoutMs: Number.POSITIVE_INFINITY }],
])('a limit that makes no sense is refused when the dependency is made: %s', (problem, limits) => {
  expect(() => make(limits)).toThrow(problem);
});
