/** Time and randomness of the transition in progress: decided once by whoever decides, the same on every replay (invariant 7). */
import type { Instant } from '../ids.ts';
import type { RunPolicy } from '../run-policy.ts';

export interface TransitionEnvironment {
  /** When the event was accepted. Stored with it, so a fold sees the same instant. */
  readonly at: Instant;
  /** Of the random numbers, e.g. `${runId}:${revision}`. Never stored, always derivable. */
  readonly seed: string;
  /** Only while a run starts; stored with its first event, so a fold sees the same numbers. */
  readonly policy?: RunPolicy | undefined;
}

// A transition is synchronous, so a module variable cannot be seen by another transition.
let current: TransitionEnvironment | undefined;
let nextRandom: (() => number) | undefined;

/** Evaluates `transition` with `now()` and `random()` answered from `environment`. */
export function withEnvironment<Result>(environment: TransitionEnvironment, transition: () => Result): Result {
  const outer = current;
  const outerRandom = nextRandom;
  current = environment;
  nextRandom = undefined;
  try {
    return transition();
  } finally {
    current = outer;
    nextRandom = outerRandom;
  }
}

/**
 * The replay-safe `Date.now()` for assign, guard, delay and input functions.
 * @throws {TypeError} Called outside of a transition, e.g. while a module is loaded.
 */
export function now(): Instant {
  return environmentFor('now()').at;
}

/**
 * The replay-safe `Math.random()`.
 * @throws {TypeError} as {@link now}
 */
export function random(): number {
  nextRandom ??= seededRandom(environmentFor('random()').seed);
  return nextRandom();
}

/**
 * Time limits and retries of the run that starts: what its job type states, with the defaults of this deployment. Keep in the context
 * what guards and delays need of it, because it is not there later.
 * @throws {TypeError} Called anywhere but in the context function, an entry action or a delay of the start.
 */
export function policy(): RunPolicy {
  const started = environmentFor('policy()').policy;
  if (started === undefined) throw new TypeError('policy() works only while a run starts: keep what you need of it in the context');
  return started;
}

/** Starts the random numbers of the transition in progress again, because it is about to be evaluated a second time. */
export function rewindRandom(): void {
  nextRandom = undefined;
}

function environmentFor(caller: string): TransitionEnvironment {
  if (current === undefined) throw new TypeError(`${caller} works only inside a transition`);
  return current;
}

/** A stream of numbers in [0, 1) that depends on the seed alone: mulberry32 over the FNV-1a hash of the seed. */
export function seededRandom(seed: string): () => number {
  let state = fnv1a(seed);
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
