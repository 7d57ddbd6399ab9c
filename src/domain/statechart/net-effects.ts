/** From XState's next snapshot and the actions it listed to one step: what is stored, and what is left to do in the world. */
import type { AnyMachineSnapshot, AnyStateNode, StateValue } from 'xstate';
import type { Effect } from './effect.ts';
import type { TransitionEnvironment } from './environment.ts';
import type { Json } from './json.ts';
import type { RawAction } from './raw-action.ts';
import { serializeError } from './serialized-error.ts';
import type { ArmedTimer, Snapshot, StartedActivity } from './snapshot.ts';
import type { Step } from './step.ts';
import { VisitLedger } from './visit-ledger.ts';

/** What the snapshot kept before the event, with the activity or timer that the event came from already taken account of. */
export type Kept = Pick<Snapshot, 'activities' | 'timers' | 'visits'>;

type ById<Item> = Readonly<Record<string, Item>>;

/**
 * Only the difference counts: what is started and stopped inside one macrostep was never asked for, a restart stops the old visit and
 * starts a new one.
 */
export function netStep(
  kept: Kept,
  next: AnyMachineSnapshot,
  value: StateValue,
  actions: readonly RawAction[],
  environment: TransitionEnvironment,
): Step {
  const ledger = new VisitLedger(kept, environment);
  for (const action of actions) ledger.record(action);
  ledger.settle();

  const active = next.status === 'active';
  const activities = active ? stillReferenced(next, ledger.activities) : {};
  const timers = active ? ledger.timers : {};
  const [activitiesBefore, timersBefore] = [kept.activities ?? {}, kept.timers ?? {}];
  return {
    snapshot: {
      value,
      context: next.context as Json,
      status: next.status,
      ...(next.output === undefined ? {} : { output: next.output as Json }),
      ...(next.error === undefined ? {} : { error: serializeError(next.error) }),
      ...(active ? rememberedIds(next.historyValue) : {}),
      ...(isEmpty(activities) ? {} : { activities }),
      ...(isEmpty(timers) ? {} : { timers }),
      visits: ledger.visits,
    },
    effects: [
      ...started(activitiesBefore, activities),
      ...armed(timersBefore, timers),
      ...ledger.messages.filter((message) => reachable(message, activitiesBefore, activities)),
      ...stopped(activitiesBefore, activities),
      ...cancelled(timersBefore, timers),
    ],
  };
}

/** A delayed message for another actor is due: the statechart itself hears nothing, the message leaves now. */
export function forwardTimer(snapshot: Snapshot, id: string, to: string): Step {
  const { timers: { [id]: due, ...timers } = {}, ...rest } = snapshot;
  const { event, toVisit: visit } = due!;
  const message: Effect = { type: 'send', to, ...(visit === undefined ? {} : { visit }), event };
  return {
    snapshot: isEmpty(timers) ? rest : { ...rest, timers },
    effects: reachable(message, snapshot.activities ?? {}, {}) ? [message] : [],
  };
}

/** In the order of XState's children, which is the order they were started in. */
function stillReferenced(next: AnyMachineSnapshot, activities: ById<StartedActivity>): ById<StartedActivity> {
  const kept: Record<string, StartedActivity> = {};
  for (const id in next.children) {
    const activity = activities[id];
    if (activity === undefined)
      throw new TypeError(`'${id}' was created with spawn() inside assign or context: use spawnChild() or invoke`);
    kept[id] = activity;
  }
  return kept;
}

function* started(before: ById<StartedActivity>, after: ById<StartedActivity>): Generator<Effect> {
  for (const id in after) {
    const activity = after[id]!;
    if (before[id]?.visit !== activity.visit) yield { type: 'startActivity', id, ...activity };
  }
}

function* stopped(before: ById<StartedActivity>, after: ById<StartedActivity>): Generator<Effect> {
  for (const id in before) {
    const { src, visit, finished } = before[id]!;
    if (after[id]?.visit !== visit && !finished) yield { type: 'stopActivity', id, visit, src };
  }
}

function* armed(before: ById<ArmedTimer>, after: ById<ArmedTimer>): Generator<Effect> {
  for (const id in after) {
    if (before[id]?.visit !== after[id]!.visit) yield { type: 'armTimer', id, ...after[id]! };
  }
}

function* cancelled(before: ById<ArmedTimer>, after: ById<ArmedTimer>): Generator<Effect> {
  for (const id in before) {
    const { visit } = before[id]!;
    if (after[id]?.visit !== visit) yield { type: 'cancelTimer', id, visit };
  }
}

/** A message to an actor that came and went inside this macrostep, or that has finished, has nobody to hear it. */
function reachable(message: Effect, before: ById<StartedActivity>, after: ById<StartedActivity>): boolean {
  if (message.type !== 'send' || message.visit === undefined) return true;
  const runs = (activity: StartedActivity | undefined) => activity !== undefined && activity.visit === message.visit && !activity.finished;
  return runs(before[message.to]) || runs(after[message.to]);
}

function rememberedIds(history: AnyMachineSnapshot['historyValue']): Pick<Snapshot, 'history'> {
  if (isEmpty(history)) return {};
  const remembered: Record<string, string[]> = {};
  for (const id in history) remembered[id] = inDocumentOrder(history[id] as AnyStateNode[]).map((node) => node.id);
  return { history: remembered };
}

const inDocumentOrder = (nodes: readonly AnyStateNode[]): AnyStateNode[] => [...nodes].sort((a, b) => a.order - b.order);

function isEmpty(record: object): boolean {
  for (const _ in record) return false;
  return true;
}
