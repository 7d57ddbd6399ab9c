/**
 * Runs the actions of a planned microstep on one working snapshot. Every built-in's own `resolve` stays XState's; only assign,
 * spawnChild and stopChild are applied here, because XState would clone a snapshot for each of them.
 */
import type { AnyActorScope, AnyEventObject, AnyStateMachine } from 'xstate';
import type { PlannedAction } from './microstep-plan.ts';
import { isReference, type RawAction, rawBuiltIn } from './raw-action.ts';
import { SLOW } from './slow.ts';
import { without } from './without.ts';
import type { WorkingSnapshot } from './working-snapshot.ts';

type ActionArguments = { readonly context: unknown; readonly event: AnyEventObject; readonly self: unknown; readonly system: unknown };
type Expression = (args: object, params?: unknown) => unknown;
type Resolved = readonly [snapshot: unknown, params: unknown, more?: readonly unknown[]];

/** What XState's action creators make, as far as it is read here. */
interface BuiltIn {
  readonly type: string;
  readonly resolve: (scope: AnyActorScope, snapshot: unknown, args: object, params: unknown, action: unknown, extra: object) => Resolved;
  readonly assignment?: Expression | Readonly<Record<string, unknown>>;
  readonly actorRef?: unknown;
  readonly src?: unknown;
  readonly id?: unknown;
  readonly systemId?: string;
  readonly input?: unknown;
}

export class PlannedActions {
  /** What there is to do in the world so far, in order. */
  readonly listed: RawAction[] = [];
  /** Events raised so far and not heard yet. */
  readonly raised: AnyEventObject[] = [];
  /** Something other than the configuration was touched, where XState would have cloned the snapshot. */
  touched = false;
  readonly #machine: AnyStateMachine;
  readonly #working: WorkingSnapshot;
  readonly #scope: AnyActorScope;

  constructor(machine: AnyStateMachine, working: WorkingSnapshot, scope: AnyActorScope) {
    this.#machine = machine;
    this.#working = working;
    this.#scope = scope;
  }

  run(actions: readonly PlannedAction[], event: AnyEventObject, startsActors: boolean): void {
    for (const planned of actions) {
      switch (planned.kind) {
        case 'own':
          this.#runOwn(planned.action, event, startsActors);
          break;
        case 'spawn':
          this.#spawn(planned.invoke.id, String(planned.invoke.src), planned.invoke.input, planned.invoke.systemId, event);
          break;
        case 'stop':
          this.#stop(this.#working.children[planned.id]);
      }
    }
  }

  #runOwn(action: unknown, event: AnyEventObject, startsActors: boolean): void {
    const implementation = this.#implementationOf(action);
    const args: ActionArguments = { context: this.#working.context, event, self: this.#scope.self, system: this.#scope.system };
    const params = paramsOf(action, args);
    if (!isBuiltIn(implementation)) {
      if (implementation === undefined) throw SLOW; // XState lists it, and it is refused there
      this.listed.push({ type: 'custom', name: nameOf(action), params, event });
      return;
    }
    this.#runBuiltIn(implementation, args, params, startsActors);
  }

  #runBuiltIn(builtIn: BuiltIn, args: ActionArguments, params: unknown, startsActors: boolean): void {
    switch (builtIn.type) {
      case 'xstate.assign':
        this.#assign(builtIn.assignment, args, params);
        return;
      case 'xstate.spawnChild':
        this.#spawnChild(builtIn, args);
        return;
      case 'xstate.stopChild':
        this.#stopChild(builtIn.actorRef, args, params);
        return;
      case 'xstate.enqueueActions': {
        const [, , enqueued] = this.#resolve(builtIn, args, params);
        for (const action of enqueued ?? []) this.#runOwn(action, args.event, startsActors);
        return;
      }
      case 'xstate.sendTo':
      case 'xstate.raise':
      case 'xstate.cancel':
      case 'xstate.log':
      case 'xstate.emit': {
        // Where actors are about to start, the target may not be there yet, and XState looks again later.
        if (startsActors && builtIn.type === 'xstate.sendTo') throw SLOW;
        const [, resolved, more] = this.#resolve(builtIn, args, params);
        if (more !== undefined) throw SLOW;
        const listed = rawBuiltIn({ type: builtIn.type, params: resolved });
        if (listed === undefined) throw SLOW;
        this.listed.push(listed);
        return;
      }
      default:
        throw SLOW; // a built-in that is unknown here
    }
  }

  #assign(assignment: BuiltIn['assignment'], args: ActionArguments, params: unknown): void {
    const assignArgs = { ...args, spawn: refuseSpawn };
    const partial = typeof assignment === 'function' ? assignment(assignArgs, params) : evaluateEach(assignment ?? {}, assignArgs, params);
    this.touched = true;
    this.#working.context = { ...this.#working.context, ...(partial as object) };
  }

  #spawnChild({ id: given, src, input, systemId }: BuiltIn, args: ActionArguments): void {
    const id = typeof given === 'function' ? (given as Expression)(args) : given;
    if (typeof src !== 'string' || typeof id !== 'string') throw SLOW;
    this.#spawn(id, src, input, systemId, args.event);
  }

  #stopChild(target: unknown, args: ActionArguments, params: unknown): void {
    const found = typeof target === 'function' ? (target as Expression)(args, params) : target;
    this.#stop(typeof found === 'string' ? this.#working.children[found] : found);
  }

  #spawn(id: string, src: string, given: unknown, systemId: string | undefined, event: AnyEventObject): void {
    // A system id can be looked up at once, by what comes after it in this macrostep.
    if (systemId !== undefined || !(src in (this.#machine.implementations.actors as object))) throw SLOW;
    const { context } = this.#working;
    const input = typeof given === 'function' ? (given as Expression)({ context, event, self: this.#scope.self }) : given;
    const actorRef = { id, src };
    this.touched = true;
    this.#working.children = { ...this.#working.children, [id]: actorRef };
    this.listed.push({ type: 'xstate.spawnChild', params: { id, src, actorRef, input } });
  }

  #stop(reference: unknown): void {
    if (reference !== undefined && !isReference(reference)) throw SLOW;
    this.touched = true;
    if (reference !== undefined) this.#working.children = without(this.#working.children, reference.id);
    this.listed.push({ type: 'xstate.stopChild', params: reference });
  }

  #resolve(builtIn: BuiltIn, args: ActionArguments, params: unknown): Resolved {
    const extra = { internalQueue: this.raised, deferredActorIds: undefined };
    return builtIn.resolve(this.#scope, this.#working, args, params, builtIn, extra);
  }

  #implementationOf(action: unknown): unknown {
    if (typeof action === 'function') return action;
    return (this.#machine.implementations.actions as Record<string, unknown>)[nameOf(action)];
  }
}

function nameOf(action: unknown): string {
  if (typeof action === 'string') return action;
  return typeof action === 'function' ? action.name || '(anonymous)' : (action as { type: string }).type;
}

function paramsOf(action: unknown, { context, event }: ActionArguments): unknown {
  if (typeof action !== 'object' || action === null || !('params' in action)) return undefined;
  return typeof action.params === 'function' ? action.params({ context, event }) : action.params;
}

const isBuiltIn = (implementation: unknown): implementation is BuiltIn =>
  typeof implementation === 'function' && 'resolve' in implementation;

function evaluateEach(assignment: Readonly<Record<string, unknown>>, args: object, params: unknown): Record<string, unknown> {
  const evaluated: Record<string, unknown> = {};
  for (const key of Object.keys(assignment)) {
    const value = assignment[key];
    evaluated[key] = typeof value === 'function' ? (value as Expression)(args, params) : value;
  }
  return evaluated;
}

/** An actor made inside assign or context leaves no trace in a log, and how it is refused does not depend on how it was evaluated. */
export function refuseSpawn(): never {
  throw SLOW;
}
