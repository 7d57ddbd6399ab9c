import type { Instant } from '../ids.ts';

/** What a schedule says about time. */
export interface DstPolicy {
  /** A local time that the clocks jump over: run at the first instant after the gap, or not at all on that day. */
  readonly gap: 'run-after' | 'skip';
  /** A local time that comes twice: which of the two, or both. */
  readonly overlap: 'first' | 'second' | 'both';
}
export type Trigger =
  | { readonly kind: 'cron'; readonly cron: string }
  | { readonly kind: 'interval'; readonly everyMs: number; readonly anchor: Instant } // anchor + n*everyMs, n any integer
  | { readonly kind: 'once'; readonly at: Instant };
export interface Timing {
  readonly trigger: Trigger;
  readonly timeZone: string; // IANA
  readonly dst: DstPolicy;
  readonly startAt?: Instant; // inclusive bounds
  readonly endAt?: Instant;
  /** Local days on which nothing runs: `2026-12-25`, or `2026-12-24/2026-12-26`, both ends included. */
  readonly exclusions: readonly string[];
  /** At most so long after `dueAt`; how long exactly is a pure function of schedule and `dueAt`. */
  readonly jitterMs: number;
}
