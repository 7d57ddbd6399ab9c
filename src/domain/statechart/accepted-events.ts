import type { FoldableStatechart } from './fold.ts';
import type { Snapshot } from './snapshot.ts';

/** What its own activities, timers and completions cause. */
const INTERNAL = /^xstate\./;

/**
 * Types of the events from outside that have a transition in this state, innermost state first; wildcards as the statechart writes them.
 * Guards are not asked: they may want to see the event itself.
 *
 * @throws {SnapshotMismatchError} The snapshot belongs to another definition.
 */
export function acceptedEvents(statechart: FoldableStatechart, snapshot: Snapshot): string[] {
  const nodes = statechart.hydrate(snapshot)._nodes.toReversed();
  return [...new Set(nodes.flatMap(({ ownEvents }) => ownEvents.filter((type) => !INTERNAL.test(type))))];
}
