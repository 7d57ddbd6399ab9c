/**
 * A statechart between two events. JSON only, and everything needed to go on: the last event of a run carries it, so loading a run
 * is one read (invariant 1). Empty parts are absent, not empty, to keep the stored bytes few.
 */
import type { AnyEventObject, StateValue } from 'xstate';
import type { Instant } from '../ids.ts';
import type { Json } from './json.ts';
import type { SerializedError } from './serialized-error.ts';

export interface Snapshot {
  /** In document order, so that equal states have equal bytes. */
  readonly value: StateValue;
  readonly context: Json;
  readonly status: 'active' | 'done' | 'error' | 'stopped';
  readonly output?: Json;
  readonly error?: SerializedError;
  /** Id of a history state → ids of the states it remembers. */
  readonly history?: Readonly<Record<string, readonly string[]>>;
  /** By the id of the invoke or spawn. */
  readonly activities?: Readonly<Record<string, StartedActivity>>;
  readonly timers?: Readonly<Record<string, ArmedTimer>>;
  /** The last visit handed out. */
  readonly visits: number;
}

/**
 * `visit` is the fencing token: each start of an activity and each arming of a timer takes the next number of its run. XState reuses
 * ids and would accept the result of an attempt given up long ago, so results and firings are matched by visit (invariant 7).
 */
export interface StartedActivity {
  /** Its name in the statechart's `actors`. */
  readonly src: string;
  readonly visit: number;
  /** Kept until the activity has finished, so that after a crash the last event alone is enough to start it again. */
  readonly input?: Json;
  readonly systemId?: string;
  /** Its result is known while its state is still active: a second delivery of the result is refused. */
  readonly finished?: true;
}

export interface ArmedTimer {
  readonly visit: number;
  readonly dueAt: Instant;
  /** What the statechart hears when it fires. */
  readonly event: AnyEventObject;
  /** Id of the actor that hears it instead, for a delayed `sendTo`. */
  readonly to?: string;
  /** The visit of that actor: a message for an earlier one is dropped. */
  readonly toVisit?: number;
}

export interface Outstanding {
  readonly activities: readonly (StartedActivity & { readonly id: string })[];
  readonly timers: readonly (ArmedTimer & { readonly id: string })[];
}

/** What must be going on outside while the statechart is in this state: what a new holder of the lease starts again. */
export function outstanding(snapshot: Snapshot): Outstanding {
  if (isFinal(snapshot)) return { activities: [], timers: [] };
  return {
    activities: Object.entries(snapshot.activities ?? {}).flatMap(([id, started]) => (started.finished ? [] : [{ id, ...started }])),
    timers: Object.entries(snapshot.timers ?? {}).map(([id, armed]) => ({ id, ...armed })),
  };
}

/** Nothing can happen any more, in any of the ways a statechart can end. */
export const isFinal = (snapshot: Pick<Snapshot, 'status'>): boolean => snapshot.status !== 'active';

/** How it ended: the key of the top-level final state, e.g. `succeeded`; undefined while it goes on. */
export function outcomeOf(snapshot: Pick<Snapshot, 'status' | 'value'>): string | undefined {
  switch (snapshot.status) {
    case 'active':
      return undefined;
    case 'error':
      return 'failed';
    case 'stopped':
      return 'cancelled';
    case 'done':
      // Only a statechart whose root is parallel ends without one final state that could name the outcome.
      return typeof snapshot.value === 'string' ? snapshot.value : 'done';
  }
}

/** A state as people write it: `running.download`; regions side by side: `working.(fetch.running|audit.idle)`. */
export function describeState(value: StateValue): string {
  if (typeof value === 'string') return value;
  const parts = Object.entries(value).map(([key, below]) => {
    const rest = below === undefined ? '' : describeState(below);
    return rest === '' ? key : `${key}.${rest}`;
  });
  return parts.length > 1 ? `(${parts.join('|')})` : parts.join('');
}
