/**
 * The same tree of states with markers for actions and switches for guards: a machine that can be asked what XState would do
 * structurally, without running anything that belongs to the real one.
 */
import { type AnyStateMachine, type AnyStateNode, type AnyTransitionDefinition, StateMachine } from 'xstate';

/** Stands where the actions of one node or transition would run. */
export type Marker =
  | { readonly kind: 'exit' | 'entry' | 'initial'; readonly node: AnyStateNode }
  | { readonly kind: 'transition'; readonly transition: AnyTransitionDefinition };

export interface Skeleton {
  readonly machine: AnyStateMachine;
  readonly hasHistory: boolean;
  marker(actionType: string): Marker | undefined;
  /** Of a state of the real machine: its counterpart here. */
  nodeById(id: string): AnyStateNode;
  /** Short and stable for the life of the process. */
  transitionId(transition: AnyTransitionDefinition): string;
}

/** The event that takes exactly the transitions whose ids are in `taking`. */
interface TakeEvent {
  readonly type: typeof TAKE;
  readonly taking: ReadonlySet<string>;
}
export const TAKE = '§take';
/** The action that hears every completion event of the skeleton. */
export const COMPLETION = '§completion';

export function skeletonOf(machine: AnyStateMachine): Skeleton {
  const transitionIds = new Map<AnyTransitionDefinition, string>();
  const markers = new Map<string, Marker>();
  let hasHistory = false;

  const mark = (actionType: string, marker: Marker): string => {
    markers.set(actionType, marker);
    return actionType;
  };

  const configOf = (node: AnyStateNode): Record<string, unknown> => {
    if (node.type === 'history') {
      hasHistory = true;
      const { target } = node.config;
      return { id: node.id, type: 'history', history: node.history, ...(target === undefined ? {} : { target }) };
    }
    const states = Object.entries(node.states).map(([key, child]) => [key, configOf(child)] as const);
    const transitions = [...[...node.transitions.values()].flat(), ...((node.always ?? []) as AnyTransitionDefinition[])];
    return {
      id: node.id,
      entry: [mark(`entry:${node.id}`, { kind: 'entry', node })],
      exit: [mark(`exit:${node.id}`, { kind: 'exit', node })],
      ...(node.type === 'parallel' || node.type === 'final' ? { type: node.type } : {}),
      ...(states.length > 0 ? { states: Object.fromEntries(states) } : {}),
      ...(node.type === 'compound' ? { initial: initialOf(node) } : {}),
      ...(transitions.length > 0 ? { on: { [TAKE]: transitions.map(switchOf) } } : {}),
    };
  };

  const initialOf = (node: AnyStateNode) => ({
    target: node.initial.target![0]!.key,
    actions: [mark(`initial:${node.id}`, { kind: 'initial', node })],
  });

  const switchOf = (transition: AnyTransitionDefinition) => {
    const id = String(transitionIds.size);
    transitionIds.set(transition, id);
    return {
      guard: ({ event }: { event: Partial<TakeEvent> }) => event.taking?.has(id) ?? false,
      ...(transition.target ? { target: transition.target.map((node) => `#${node.id}`) } : {}),
      reenter: transition.reenter,
      actions: [mark(`transition:${id}`, { kind: 'transition', transition })],
    };
  };

  const root = configOf(machine.root);
  root.on = { ...(root.on as object | undefined), '*': { actions: [COMPLETION] } };
  const actions = Object.fromEntries([...markers.keys(), COMPLETION].map((type) => [type, () => {}]));
  const skeleton = new StateMachine(root as never, { actions } as never) as unknown as AnyStateMachine;
  const nodes = (skeleton as unknown as { idMap: ReadonlyMap<string, AnyStateNode> }).idMap;

  return {
    machine: skeleton,
    hasHistory,
    marker: (actionType) => markers.get(actionType),
    nodeById: (id) => nodes.get(id)!,
    transitionId: (transition) => transitionIds.get(transition)!,
  };
}
