/** What XState does on the skeleton: the structural half of one microstep, in the order of its actions. */
import {
  type AnyEventObject,
  type AnyMachineSnapshot,
  type AnyStateNode,
  type AnyTransitionDefinition,
  getInitialMicrosteps,
  getMicrosteps,
} from 'xstate';
import { COMPLETION, type Skeleton, TAKE } from './skeleton.ts';

export interface SkeletonAnswer {
  /** Its nodes are those of the skeleton. */
  readonly after: AnyMachineSnapshot;
  readonly actionTypes: readonly string[];
  readonly completionEvents: readonly string[];
  readonly changesHistory: boolean;
}

export type History = Readonly<Record<string, readonly AnyStateNode[]>>;
export const historyOf = (snapshot: AnyMachineSnapshot): History => snapshot.historyValue as History;

/** Enters the skeleton as XState enters the real machine when it starts. */
export function askToStart(skeleton: Skeleton): SkeletonAnswer | undefined {
  const microsteps = getInitialMicrosteps(skeleton.machine) as unknown as SkeletonMicrostep[];
  const answer = answerOf(microsteps, undefined);
  return answer && { ...answer, changesHistory: false };
}

/** Takes the same transitions on the skeleton. Undefined: XState does nothing at all. */
export function askToTake(
  skeleton: Skeleton,
  current: AnyMachineSnapshot,
  transitions: readonly AnyTransitionDefinition[],
): SkeletonAnswer | undefined {
  const toSkeleton = (nodes: readonly AnyStateNode[]) => nodes.map((node) => skeleton.nodeById(node.id));
  const history = mapValues(historyOf(current), toSkeleton);
  const base = {
    ...(skeleton.machine.resolveState({ value: current.value, context: {} } as never) as AnyMachineSnapshot),
    _nodes: toSkeleton(current._nodes),
    historyValue: history,
  };
  const taking = new Set(transitions.map((transition) => skeleton.transitionId(transition)));
  const microsteps = getMicrosteps(skeleton.machine, base as never, { type: TAKE, taking } as never) as unknown as SkeletonMicrostep[];
  return answerOf(microsteps, history);
}

type SkeletonMicrostep = readonly [
  AnyMachineSnapshot,
  readonly { readonly type: string; readonly info: { readonly event: AnyEventObject } }[],
];

function answerOf([first, ...rest]: readonly SkeletonMicrostep[], historyBefore: History | undefined): SkeletonAnswer | undefined {
  if (first === undefined) return undefined;
  const [after, actions] = first;
  const completions = rest.flatMap(([, listed]) => listed.filter((action) => action.type === COMPLETION));
  return {
    after,
    actionTypes: actions.map((action) => action.type),
    completionEvents: completions.map((action) => action.info.event.type),
    changesHistory: historyOf(after) !== historyBefore,
  };
}

export function mapValues<From, To>(record: Readonly<Record<string, From>>, map: (value: From) => To): Record<string, To> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}
