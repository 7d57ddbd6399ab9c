/** What became of each occurrence (invariant 6): exactly one of these, and which rule said so. */
import type { Instant, RunId } from '../ids.ts';

export const FATES = ['started', 'skipped', 'coalesced', 'missed', 'paused', 'excluded', 'backfilled'] as const;
export type Fate = (typeof FATES)[number];

/**
 * - `on-time`, `catch-up`: started when it was due, or late, within the window.
 * - `buffer`: started when the run before it had ended.
 * - `coalesce`: a later one was started for it.
 * - `window`: found later than the catch-up window allows. `cap`: more of them waited than the cap allows.
 * - `overlap`, `buffer-full`, `superseded`: the run before it had not ended; and there was no place to wait, or a later one took it.
 * - `pause`: due while the schedule, or all of them, were paused, and too late when that was over.
 * - `changed`, `deleted`: not decided yet when the schedule became another one, or none.
 * - `calendar`: on a day that is excluded.
 * - `operator`: a person asked for it.
 */
export const RULES = [
  'on-time',
  'catch-up',
  'buffer',
  'coalesce',
  'window',
  'cap',
  'overlap',
  'buffer-full',
  'superseded',
  'pause',
  'changed',
  'deleted',
  'calendar',
  'operator',
] as const;
export type Rule = (typeof RULES)[number];

export interface Entry {
  readonly dueAt: Instant;
  readonly fate: Fate;
  readonly rule: Rule;
  /** How long after `dueAt` that was decided, in milliseconds, jitter included. */
  readonly lateMs: number;
  /** Of one that was started. */
  readonly runId?: RunId;
  /** Of one that was not: the run that was in its way, or was started for it. */
  readonly because?: RunId;
}

/**
 * All occurrences from `from` to `to`, both included, that no entry of the same event names; those on excluded days are excluded. They
 * may be millions, so nobody has counted them.
 */
export interface Stretch {
  readonly from: Instant;
  readonly to: Instant;
  readonly fate: 'missed' | 'paused' | 'coalesced';
  readonly rule: Rule;
  /** Of one that was started for them. */
  readonly because?: RunId;
}
