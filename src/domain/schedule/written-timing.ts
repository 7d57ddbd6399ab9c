/** A timing the way people write it: what `parseTiming` takes, so that one part of it can be changed and the rest stays. */
import type { Timing } from './timing.ts';

export interface WrittenTiming {
  readonly cron?: string;
  readonly everyMs?: number;
  /** Instants are ISO 8601. */
  readonly anchor?: string;
  readonly at?: string;
  readonly timeZone?: string;
  readonly dst?: Partial<Timing['dst']>;
  readonly startAt?: string;
  readonly endAt?: string;
  readonly exclusions?: readonly string[];
  readonly jitterMs?: number;
}
/** `null` takes a bound away. */
export type TimingChange = { readonly [Part in keyof WrittenTiming]: WrittenTiming[Part] | null };

const iso = (at: number): string => new Date(at).toISOString();

export function writtenTiming({ trigger, timeZone, dst, startAt, endAt, exclusions, jitterMs }: Timing): WrittenTiming {
  return {
    ...(trigger.kind === 'cron' && { cron: trigger.cron }),
    ...(trigger.kind === 'interval' && { everyMs: trigger.everyMs, anchor: iso(trigger.anchor) }),
    ...(trigger.kind === 'once' && { at: iso(trigger.at) }),
    timeZone,
    dst,
    ...(startAt !== undefined && { startAt: iso(startAt) }),
    ...(endAt !== undefined && { endAt: iso(endAt) }),
    exclusions,
    jitterMs,
  };
}

/** One pattern takes the place of another, of whatever kind. */
export function changedTiming(before: Timing | undefined, change: TimingChange): WrittenTiming {
  const { cron, everyMs, anchor, at, ...rest } = before === undefined ? ({} as WrittenTiming) : writtenTiming(before);
  const isNewPattern = [change.cron, change.everyMs, change.at].some((pattern) => pattern !== undefined);
  const merged = {
    ...(!isNewPattern && { cron, everyMs, anchor, at }),
    ...rest,
    ...without(undefined, change),
    dst: { ...rest.dst, ...without(undefined, change.dst ?? {}) },
  };
  return without(undefined, without(null, merged));
}

const without = (what: undefined | null, fields: object): object =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== what));
