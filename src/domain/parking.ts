/**
 * A run that only waits is held by nobody (DESIGN §5): its lease goes back, so that it takes no memory and no place among those that may
 * run at once. Whether it waits follows from the snapshot and the clock alone (invariant 7).
 */
import type { Instant } from './ids.ts';
import { isFinal, type Snapshot } from './statechart/snapshot.ts';

/** Nobody holds the run. */
export interface Parked {
  /** When its next timer is due, ISO 8601, UTC; null: it waits for a signal alone. */
  readonly until: string | null;
}

/** Shorter waits are held: handing a run over costs more than keeping it. */
export const PARK_AFTER_MS = 5_000;

/** Undefined: there is something to do, now or within `parkAfterMs`, or the run is over. */
export function parkedOf(snapshot: Snapshot, at: Instant, parkAfterMs: number): Parked | undefined {
  if (isFinal(snapshot)) return undefined;
  const { activities, timers } = snapshot; // every decision passes here, so nothing is copied
  for (const id in activities) if (!activities[id]!.finished) return undefined;
  let next: Instant | undefined;
  for (const id in timers) {
    const { dueAt } = timers[id]!;
    if (next === undefined || dueAt < next) next = dueAt;
  }
  if (next === undefined) return { until: null };
  return next >= at + parkAfterMs ? { until: new Date(next).toISOString() } : undefined;
}

/** Whether a parked run waits for a time that has not come. */
export const isAsleep = ({ until }: Parked, at: Instant): boolean => until === null || Date.parse(until) > at;
