/** What a schedule says about time. `parseTiming` makes one of what people write; everything else trusts it. */
import type { Instant } from '../ids.ts';

/** When the clocks of the zone change. Patterns that name every hour follow elapsed time instead: docs/schedules.md. */
export interface DstPolicy {
  /** A local time that the clocks jump over: run at the first instant after the gap, or not at all on that day. */
  readonly gap: 'run-after' | 'skip';
  /** A local time that comes twice: which of the two, or both. */
  readonly overlap: 'first' | 'second' | 'both';
}

export type Trigger =
  | { readonly kind: 'cron'; readonly cron: string }
  /** Due at `anchor + n * everyMs`, n being any integer. */
  | { readonly kind: 'interval'; readonly everyMs: number; readonly anchor: Instant }
  | { readonly kind: 'once'; readonly at: Instant };

export interface Timing {
  readonly trigger: Trigger;
  /** IANA name, e.g. `Europe/Berlin`. Exclusions are days of this zone, too. */
  readonly timeZone: string;
  readonly dst: DstPolicy;
  /** Nothing is due before. */
  readonly startAt?: Instant;
  /** Nothing is due after. */
  readonly endAt?: Instant;
  /** Local days on which nothing runs: `2026-12-25`, or `2026-12-24/2026-12-26`, both ends included. */
  readonly exclusions: readonly string[];
  /** At most so long after `dueAt`; how long exactly is a pure function of schedule and `dueAt`. */
  readonly jitterMs: number;
}

/** Nothing is ever due before 1970 … */
export const EARLIEST = 0 as Instant;
/** … or after the year 9999. */
export const LATEST = Date.UTC(9999, 11, 31, 23, 59, 59, 999) as Instant;
