/** A plain description of a machine: what diagrams, documentation and the definition hash are made from. No functions, stable order. */
import type { AnyStateMachine, AnyStateNode, AnyTransitionDefinition } from 'xstate';

export interface MachineShape {
  readonly id: string;
  readonly root: StateShape;
}

export interface StateShape {
  readonly id: string;
  readonly key: string;
  readonly type: 'atomic' | 'compound' | 'parallel' | 'final' | 'history';
  /** Id of the child that a compound state enters first. */
  readonly initial?: string;
  readonly history?: 'shallow' | 'deep';
  readonly description?: string;
  readonly tags?: readonly string[];
  readonly entry?: readonly string[];
  readonly exit?: readonly string[];
  readonly invoke?: readonly { readonly id: string; readonly src: string }[];
  readonly edges?: readonly EdgeShape[];
  readonly states?: readonly StateShape[];
}

export interface EdgeShape {
  readonly kind: 'event' | 'timer' | 'always' | 'activityDone' | 'activityFailed' | 'stateDone';
  /** The event type; of a timer its delay; of an activity its id; empty for `always` and `stateDone`. */
  readonly on: string;
  readonly guard?: string;
  /** Ids; empty for a transition that goes nowhere. */
  readonly targets: readonly string[];
  readonly actions?: readonly string[];
  readonly reenter?: true;
}

export function machineShape(machine: AnyStateMachine): MachineShape {
  return { id: machine.id, root: stateShape(machine.root) };
}

function stateShape(node: AnyStateNode): StateShape {
  return {
    id: node.id,
    key: node.key,
    type: node.type,
    ...(node.type === 'compound' ? { initial: node.initial.target![0]!.id } : {}),
    ...(node.type === 'history' ? { history: node.history as 'shallow' | 'deep' } : {}),
    ...(node.description ? { description: node.description } : {}),
    ...ifAny('tags', node.tags),
    // XState puts the arming and cancelling of `after` timers here; the edges say it already.
    ...ifAny(
      'entry',
      node.entry.map(nameOf).filter((name) => name !== 'xstate.raise'),
    ),
    ...ifAny(
      'exit',
      node.exit.map(nameOf).filter((name) => name !== 'xstate.cancel'),
    ),
    ...ifAny(
      'invoke',
      node.invoke.map(({ id, src }) => ({ id, src: String(src) })),
    ),
    ...ifAny('edges', edgesOf(node)),
    ...ifAny('states', Object.values(node.states).map(stateShape)),
  };
}

function edgesOf(node: AnyStateNode): EdgeShape[] {
  const heard = [...node.transitions].flatMap(([eventType, transitions]) =>
    transitions.map((transition) => edgeShape(trigger(node, eventType), transition)),
  );
  // What a history state enters that remembers nothing, unless that is what its parent enters first.
  const fallback = node.type === 'history' ? historyTargets(node) : [];
  const always = ((node.always ?? []) as AnyTransitionDefinition[]).map((transition) => edgeShape({ kind: 'always', on: '' }, transition));
  return [...heard, ...always, ...(fallback.length > 0 ? [{ kind: 'always' as const, on: '', targets: fallback }] : [])];
}

/** XState has them only as written: keys from the parent on, or `#id`. */
function historyTargets(node: AnyStateNode): string[] {
  const written = [(node.config as { target?: string | readonly string[] }).target ?? []].flat();
  return written.map((target) => {
    if (target.startsWith('#')) return node.machine.getStateNodeById(target).id;
    return target.split('.').reduce((from, key) => from.states[key]!, node.parent!).id;
  });
}

type Trigger = Pick<EdgeShape, 'kind' | 'on'>;

function edgeShape(trigger: Trigger, transition: AnyTransitionDefinition): EdgeShape {
  return {
    ...trigger,
    ...(transition.guard ? { guard: guardName(transition.guard) } : {}),
    targets: (transition.target ?? []).map((node) => node.id),
    ...ifAny('actions', transition.actions.map(nameOf)),
    ...(transition.reenter ? { reenter: true as const } : {}),
  };
}

/** Undoes how XState spells its own events, e.g. `xstate.after.backoff.job.running`. */
function trigger(node: AnyStateNode, eventType: string): Trigger {
  const after = unwrap(eventType, 'xstate.after.', `.${node.id}`);
  if (after !== undefined) return { kind: 'timer', on: after };
  const done = unwrap(eventType, 'xstate.done.actor.');
  if (done !== undefined) return { kind: 'activityDone', on: done };
  const failed = unwrap(eventType, 'xstate.error.actor.');
  if (failed !== undefined) return { kind: 'activityFailed', on: failed };
  return eventType.startsWith('xstate.done.state.') ? { kind: 'stateDone', on: '' } : { kind: 'event', on: eventType };
}

function unwrap(text: string, prefix: string, suffix = ''): string | undefined {
  return text.startsWith(prefix) && text.endsWith(suffix) ? text.slice(prefix.length, text.length - suffix.length) : undefined;
}

/** Stands for a guard or an action that is written in place and has no name. */
export const INLINE = '(inline)';

function nameOf(implementation: unknown): string {
  if (typeof implementation === 'string') return implementation;
  const { type, name } = implementation as { type?: string; name?: string };
  return type ?? (name || INLINE);
}

/** Combined guards are spelled out: `and(canRetry, not(isPaused))`. */
function guardName(guard: unknown): string {
  if (typeof guard !== 'function') return nameOf(guard);
  const { guards } = guard as { guards?: readonly unknown[] };
  return guards === undefined ? guard.name || INLINE : `${guard.name}(${guards.map(guardName).join(', ')})`;
}

const ifAny = <Key extends string, Item>(key: Key, items: readonly Item[]): { readonly [K in Key]?: readonly Item[] } =>
  items.length > 0 ? ({ [key]: items } as { [K in Key]: readonly Item[] }) : {};
