import type { Effect } from './effect.ts';
import type { Snapshot } from './snapshot.ts';

/** One decision: the state after it, and what has to be done in the world, in this order, once it is stored. */
export interface Step {
  readonly snapshot: Snapshot;
  /** Starts and timers first, then messages and actions, then stops: an exit action may still address what it leaves. */
  readonly effects: readonly Effect[];
}
