/**
 * What a microstep does structurally: which actions run in which order, and which configuration follows. It depends only on the
 * configuration, the remembered history and the transitions selected, never on context, so XState is asked once for each.
 */
import type { AnyMachineSnapshot, AnyStateMachine, AnyStateNode, AnyTransitionDefinition } from 'xstate';
import type { Hydration } from './hydration.ts';
import { type Marker, type Skeleton, skeletonOf } from './skeleton.ts';
import { askToStart, askToTake, historyOf, mapValues, type SkeletonAnswer } from './skeleton-answer.ts';

export interface MicrostepPlan {
  readonly stages: readonly Stage[];
  /** The configuration that follows, as {@link Hydration.template}. */
  readonly next: AnyMachineSnapshot;
  /** Absent: unchanged. */
  readonly history?: Readonly<Record<string, readonly AnyStateNode[]>>;
  readonly changesConfiguration: boolean;
}

/** The actions of one node or transition, and what its entry completes. */
export interface Stage {
  readonly actions: readonly PlannedAction[];
  /** A `sendTo` among the actions may address an actor that this very state starts after them. */
  readonly startsActors: boolean;
  readonly completionEvents: readonly string[];
  /** The top-level final state entered here: the statechart is done. */
  readonly final?: AnyStateNode;
}

export type PlannedAction =
  | { readonly kind: 'own'; readonly action: unknown }
  | { readonly kind: 'spawn'; readonly invoke: AnyStateNode['invoke'][number] }
  | { readonly kind: 'stop'; readonly id: string };

/** Plans kept: beyond any sensible statechart, and a bound on memory for the others. */
const MAX_PLANS = 10_000;

/** Of one configuration. */
type Plans = Map<AnyTransitionDefinition | string, MicrostepPlan | undefined>;

export class MicrostepPlans {
  readonly #machine: AnyStateMachine;
  readonly #hydration: Hydration;
  readonly #skeleton: Skeleton;
  #plans = new WeakMap<AnyMachineSnapshot, Plans>();
  #kept = 0;
  #start: { readonly plan: MicrostepPlan | undefined } | undefined;

  constructor(machine: AnyStateMachine, hydration: Hydration) {
    this.#machine = machine;
    this.#hydration = hydration;
    this.#skeleton = skeletonOf(machine);
  }

  /** The first microstep of every run. Undefined: XState has to evaluate it itself. */
  start(): MicrostepPlan | undefined {
    this.#start ??= { plan: this.#planOf(askToStart(this.#skeleton), [this.#machine.root]) };
    return this.#start.plan;
  }

  /** Undefined: XState has to evaluate this one itself. `template` is that of the current configuration. */
  plan(
    current: AnyMachineSnapshot,
    template: AnyMachineSnapshot,
    transitions: readonly AnyTransitionDefinition[],
  ): MicrostepPlan | undefined {
    const key = this.#key(current, transitions);
    const plans = this.#plansOf(template);
    const known = plans.get(key);
    if (known !== undefined || plans.has(key)) return known;
    const plan = this.#planOf(askToTake(this.#skeleton, current, transitions), current._nodes);
    plans.set(key, plan);
    if (++this.#kept > MAX_PLANS) {
      this.#plans = new WeakMap();
      this.#kept = 0;
    }
    return plan;
  }

  #plansOf(template: AnyMachineSnapshot): Plans {
    let plans = this.#plans.get(template);
    if (plans === undefined) {
      plans = new Map();
      this.#plans.set(template, plans);
    }
    return plans;
  }

  /** Mostly one transition, and nothing to remember. */
  #key(current: AnyMachineSnapshot, transitions: readonly AnyTransitionDefinition[]): AnyTransitionDefinition | string {
    if (transitions.length === 1 && !this.#skeleton.hasHistory) return transitions[0]!;
    const taken = transitions.map((transition) => this.#skeleton.transitionId(transition)).join('|');
    const remembered = Object.entries(historyOf(current)).map(([id, nodes]) => `${id}:${nodes.map((node) => node.id).join(',')}`);
    return `${taken}|${remembered.join(';')}`;
  }

  #planOf(asked: SkeletonAnswer | undefined, nodesBefore: readonly AnyStateNode[]): MicrostepPlan | undefined {
    if (asked === undefined) return undefined;
    const { after, actionTypes, completionEvents, changesHistory } = asked;
    const stages = this.#stages(actionTypes, completionEvents, after.status === 'done');
    if (stages === undefined) return undefined;

    const next = this.#hydration.template(after.value);
    const nodes = this.#realNodes(after._nodes);
    // Not a legal configuration (history can lead there): let XState speak for itself.
    if (!sameNodes(next._nodes, nodes)) return undefined;
    return {
      stages: stages.filter((stage) => stage.actions.length > 0 || stage.completionEvents.length > 0 || stage.final !== undefined),
      next,
      changesConfiguration: changesHistory || !sameNodes(nodesBefore, nodes),
      ...(changesHistory ? { history: mapValues(historyOf(after), (remembered) => this.#realNodes(remembered)) } : {}),
    };
  }

  #stages(actionTypes: readonly string[], completionEvents: readonly string[], done: boolean): Stage[] | undefined {
    const stages: Stage[] = [];
    let finalEntered: { readonly node: AnyStateNode; readonly stage: number } | undefined;
    let entering = false;
    for (const actionType of actionTypes) {
      const marker = this.#skeleton.marker(actionType);
      if (marker === undefined) return undefined;
      if (marker.kind === 'entry') {
        entering = true;
        if (marker.node.type === 'final') {
          // Two finals at once, or an output of an inner final: XState's order of evaluation matters.
          if (finalEntered !== undefined) return undefined;
          if (marker.node.output !== undefined && marker.node.parent !== this.#machine.root) return undefined;
          finalEntered = { node: marker.node, stage: stages.length };
        }
      }
      // After the entries come the exits of a finished statechart, and those stop no actors: XState stops them all at once.
      stages.push(stageOf(marker, entering));
    }
    if (!done && completionEvents.length === 0) return stages;
    if (finalEntered === undefined) return undefined;
    const { node, stage } = finalEntered;
    if (done && (node.parent !== this.#machine.root || this.#machine.root.type !== 'compound')) return undefined;
    // Nothing is processed after the end, so its completion events are of no interest.
    stages[stage] = done ? { ...stages[stage]!, final: node } : { ...stages[stage]!, completionEvents };
    return stages;
  }

  #realNodes(nodes: readonly AnyStateNode[]): AnyStateNode[] {
    return nodes.map((node) => this.#hydration.nodeById(node.id)!);
  }
}

function stageOf(marker: Marker, entering: boolean): Stage {
  const plain = { startsActors: false, completionEvents: [] };
  switch (marker.kind) {
    case 'transition':
      return { ...plain, actions: own(marker.transition.actions) };
    case 'initial':
      return { ...plain, actions: own(marker.node.initial.actions) };
    case 'exit': {
      const stops = entering ? [] : marker.node.invoke.map(({ id }): PlannedAction => ({ kind: 'stop', id }));
      return { ...plain, actions: [...own(marker.node.exit), ...stops] };
    }
    case 'entry': {
      const spawns = marker.node.invoke.map((invoke): PlannedAction => ({ kind: 'spawn', invoke }));
      return { ...plain, actions: [...own(marker.node.entry), ...spawns], startsActors: spawns.length > 0 };
    }
  }
}

const own = (actions: readonly unknown[]): PlannedAction[] => actions.map((action) => ({ kind: 'own', action }));

const sameNodes = (some: readonly AnyStateNode[], others: readonly AnyStateNode[]): boolean =>
  some.length === others.length && others.every((node) => some.includes(node));
