/**
 * The place XState evaluates a transition in, with nothing behind it: actions are collected, children never run, no clock ticks.
 * XState's own `transition()` builds a throw-away actor for each call, which runs the context factory again and costs a third of the
 * time; one inert scope for each statechart does neither.
 */
import type { AnyActorScope, AnyEventObject, AnyMachineSnapshot, AnyStateMachine, AnyTransitionDefinition } from 'xstate';
import { PARENT, SELF } from './effect.ts';
import type { StartedActivity } from './snapshot.ts';

/** Told of every microstep: for coverage, traces and the answer to "why". */
export type OnMicrostep = (transitions: readonly AnyTransitionDefinition[], event: AnyEventObject) => void;

/** The part of an actor reference that XState touches while nothing runs. */
export interface InertReference {
  readonly id: string;
  readonly sessionId: string;
  readonly src: string;
  readonly systemId: string | undefined;
  readonly visit: number;
  readonly system: object;
  /** "Running", as XState counts. */
  readonly _processingStatus: 1;
  readonly _parent: InertReference | undefined;
  ref: InertReference | undefined;
  send(): void;
  getSnapshot(): unknown;
  toJSON(): object;
}

export interface InertScope {
  readonly scope: AnyActorScope;
  /** What the transition in progress has listed so far, in order. */
  readonly listed: unknown[];
  /** Forgets the previous evaluation. */
  begin(previous: AnyMachineSnapshot | undefined): void;
  /** A stand-in for an activity that the snapshot says is started. */
  reference(id: string, activity: StartedActivity): InertReference;
}

const nothing = (): void => {};

export function inertScope(machineId: string, onMicrostep: OnMicrostep | undefined): InertScope {
  const listed: unknown[] = [];
  const bySystemId = new Map<string, unknown>();
  let previousSnapshot: AnyMachineSnapshot | undefined;
  let anonymous = 0;

  const system = {
    _bookId: () => `anonymous:${anonymous++}`,
    _register: (id: string) => id,
    _unregister: nothing,
    _set: (systemId: string, reference: unknown) => void bySystemId.set(systemId, reference),
    get: (systemId: string) => bySystemId.get(systemId),
    getAll: () => Object.fromEntries(bySystemId),
    inspect: () => ({ unsubscribe: nothing }),
    _sendInspectionEvent: onMicrostep === undefined ? nothing : reportMicrosteps(onMicrostep),
    _relay: nothing,
    scheduler: { schedule: nothing, cancel: nothing, cancelAll: nothing },
    getSnapshot: () => ({ _scheduledEvents: {} }),
    _snapshot: { _scheduledEvents: {} },
    start: nothing,
    _clock: { setTimeout: nothing, clearTimeout: nothing },
    _logger: nothing,
  };

  const activeSnapshot = { status: 'active' };
  const makeReference = (id: string, src: string, visit: number, systemId?: string, parent?: InertReference): InertReference => {
    const reference: InertReference = {
      id,
      sessionId: id,
      src,
      systemId,
      visit,
      system,
      _processingStatus: 1,
      _parent: parent,
      ref: undefined,
      send: nothing,
      getSnapshot: () => activeSnapshot,
      toJSON: () => ({ xstate$$type: 1, id }),
    };
    reference.ref = reference;
    return reference;
  };
  const self = makeReference(SELF, machineId, 0, undefined, makeReference(PARENT, '', 0));
  self.getSnapshot = () => previousSnapshot;

  const scope = {
    self,
    system,
    id: SELF,
    sessionId: SELF,
    logger: nothing,
    defer: nothing,
    stopChild: nothing,
    emit: nothing,
    actionExecutor: (action: unknown) => void listed.push(action),
  };

  return {
    scope: scope as unknown as AnyActorScope, // XState declares far more than it touches
    listed,
    begin(previous) {
      listed.length = 0;
      anonymous = 0;
      if (bySystemId.size > 0) bySystemId.clear();
      previousSnapshot = previous;
      if (previous === undefined) return;
      const children = previous.children as Record<string, InertReference>;
      for (const id in children) {
        const { systemId } = children[id]!;
        if (systemId !== undefined) bySystemId.set(systemId, children[id]);
      }
    },
    reference: (id, activity) => makeReference(id, activity.src, activity.visit, activity.systemId, self),
  };
}

function reportMicrosteps(onMicrostep: OnMicrostep) {
  return (inspection: { type: string; event: AnyEventObject; _transitions?: readonly AnyTransitionDefinition[] }): void => {
    if (inspection.type === '@xstate.microstep') onMicrostep(inspection._transitions ?? [], inspection.event);
  };
}

/** Stands in for every actor of a machine, so that starting one never runs its own code inside the transition of its parent. */
const inertLogic = {
  transition: (snapshot: unknown) => snapshot,
  getInitialSnapshot: () => ({ status: 'active', output: undefined, error: undefined }),
  getPersistedSnapshot: (snapshot: unknown) => snapshot,
  restoreSnapshot: (snapshot: unknown) => snapshot,
};

export function withInertActors(machine: AnyStateMachine): AnyStateMachine {
  const names = Object.keys(machine.implementations.actors as Record<string, unknown>);
  return machine.provide({ actors: Object.fromEntries(names.map((name) => [name, inertLogic])) } as never);
}
