/** Everything that can happen to a statechart from outside. JSON: it is stored, and folding it again must give the same states. */
import type { AnyEventObject } from 'xstate';
import type { SerializedError } from './serialized-error.ts';
import type { ArmedTimer } from './snapshot.ts';

export type Stimulus =
  | { readonly kind: 'event'; readonly event: AnyEventObject }
  | { readonly kind: 'activity'; readonly id: string; readonly visit: number; readonly event: AnyEventObject }
  | { readonly kind: 'timer'; readonly id: string; readonly visit: number; readonly event: AnyEventObject };

/** The activity that was started as `visit` returned. */
export function activityDone(id: string, visit: number, output: unknown): Stimulus {
  return { kind: 'activity', id, visit, event: { type: `xstate.done.actor.${id}`, output, actorId: id } };
}

/** The activity that was started as `visit` threw, was aborted by its deadline, or has no code here. */
export function activityFailed(id: string, visit: number, error: SerializedError): Stimulus {
  return { kind: 'activity', id, visit, event: { type: `xstate.error.actor.${id}`, error, actorId: id } };
}

/** The timer that was armed as `visit` is due. Late is fine: it fires once. */
export function timerFired(id: string, visit: number, timer: Pick<ArmedTimer, 'event'>): Stimulus {
  return { kind: 'timer', id, visit, event: timer.event };
}
