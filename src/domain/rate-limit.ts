/**
 * How many runs of a job type may begin in a while: the generic cell rate algorithm, whose whole state is one instant (ITU-T I.371; the
 * leaky bucket as a meter). Pure: the clock is an argument (invariant 7).
 */
import type { Instant } from './ids.ts';

export interface Rate {
  readonly runs: number;
  /** The time in which so many may begin, in whole milliseconds. */
  readonly perMs: number;
  /** How many may begin at once after a quiet time. In no time of W ms begin more than `burst + W × runs / perMs`. @default 1 */
  readonly burst?: number;
}

/** When the next run would be due if all of them came evenly, in milliseconds since the epoch, with fractions. */
export type TheoreticalArrival = number;

/** `wait`: not yet; the state stays as it is. */
export type Turn = { readonly kind: 'go'; readonly next: TheoreticalArrival } | { readonly kind: 'wait'; readonly waitMs: number };

/**
 * By how much the clocks of replicas may differ. A state further ahead comes from a clock that has been set back since, or from a rate
 * that has been raised: waiting for it could take for ever.
 */
const MAX_CLOCK_SKEW_MS = 60_000;

export const intervalMs = ({ runs, perMs }: Rate): number => perMs / runs;

/** @param due Undefined before the first run. */
export function turnAt(rate: Rate, due: TheoreticalArrival | undefined, now: Instant): Turn {
  const interval = intervalMs(rate);
  const burst = rate.burst ?? 1;
  const believed = Math.min(due ?? now, now + burst * interval + MAX_CLOCK_SKEW_MS);
  const waitMs = Math.ceil(believed - now - (burst - 1) * interval);
  return waitMs > 0 ? { kind: 'wait', waitMs } : { kind: 'go', next: Math.max(believed, now) + interval };
}

export function rateProblem({ runs, perMs, burst = 1 }: Rate): string | undefined {
  for (const [name, value] of Object.entries({ runs, perMs, burst })) {
    if (!Number.isSafeInteger(value) || value < 1) return `rate.${name} is ${value}: use a whole number from 1`;
  }
  return undefined;
}
