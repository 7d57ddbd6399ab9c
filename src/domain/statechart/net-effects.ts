/** From XState's next snapshot and the actions it listed to one step: what is stored, and what is left to do in the world. */
import type { AnyMachineSnapshot, AnyStateNode, StateValue } from 'xstate';
import type { Effect } from './effect.ts';
import type { TransitionEnvironment } from './environment.ts';
import type { Json } from './json.ts';
import type { RawAction } from './raw-action.ts';
import { serializeError } from './serialized-error.ts';
import type { ArmedTimer, Snapshot, StartedActivity } from './snapshot.ts';
import type { Step } from './step.ts';
import { type Kept, VisitLedger } from './visit-ledger.ts';

type ById<Item> = Readonly<Record<string, Item>>;
const NOTHING: ById<never> = {};

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
  const activities = active ? stillReferenced(next, ledger.activities) : NOTHING;
  const timers = active ? ledger.timers : NOTHING;
  const { activities: activitiesBefore = NOTHING, timers: timersBefore = NOTHING } = kept;

  // Property by property, in the order they are stored in: this is the hottest place of the product, and spreads are slow.
  const snapshot: Partial<Writable<Snapshot>> = { value, context: next.context as Json, status: next.status };
  if (next.output !== undefined) snapshot.output = next.output as Json;
  if (next.error !== undefined) snapshot.error = serializeError(next.error);
  if (active && !isEmpty(next.historyValue)) snapshot.history = rememberedIds(next.historyValue);
  if (!isEmpty(activities)) snapshot.activities = activities;
  if (!isEmpty(timers)) snapshot.timers = timers;
  snapshot.visits = ledger.visits;

  const effects: Effect[] = [];
  addStarted(effects, activitiesBefore, activities);
  addArmed(effects, timersBefore, timers);
  for (const message of ledger.messages) if (reachable(message, activitiesBefore, activities)) effects.push(message);
  addStopped(effects, activitiesBefore, activities);
  addCancelled(effects, timersBefore, timers);
  return { snapshot: snapshot as Snapshot, effects };
}

type Writable<Type> = { -readonly [Key in keyof Type]: Type[Key] };

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

function addStarted(effects: Effect[], before: ById<StartedActivity>, after: ById<StartedActivity>): void {
  for (const id in after) {
    const { src, visit, input, systemId } = after[id]!;
    if (before[id]?.visit === visit) continue;
    const effect: Writable<Extract<Effect, { type: 'startActivity' }>> = { type: 'startActivity', id, src, visit };
    if (input !== undefined) effect.input = input;
    if (systemId !== undefined) effect.systemId = systemId;
    effects.push(effect);
  }
}

function addStopped(effects: Effect[], before: ById<StartedActivity>, after: ById<StartedActivity>): void {
  for (const id in before) {
    const { src, visit, finished } = before[id]!;
    if (after[id]?.visit !== visit && !finished) effects.push({ type: 'stopActivity', id, visit, src });
  }
}

function addArmed(effects: Effect[], before: ById<ArmedTimer>, after: ById<ArmedTimer>): void {
  for (const id in after) {
    const timer = after[id]!;
    if (before[id]?.visit !== timer.visit) effects.push({ type: 'armTimer', id, ...timer });
  }
}

function addCancelled(effects: Effect[], before: ById<ArmedTimer>, after: ById<ArmedTimer>): void {
  for (const id in before) {
    const { visit } = before[id]!;
    if (after[id]?.visit !== visit) effects.push({ type: 'cancelTimer', id, visit });
  }
}

/** A message to an actor that came and went inside this macrostep, or that has finished, has nobody to hear it. */
function reachable(message: Effect, before: ById<StartedActivity>, after: ById<StartedActivity>): boolean {
  if (message.type !== 'send' || message.visit === undefined) return true;
  const runs = (activity: StartedActivity | undefined) => activity !== undefined && activity.visit === message.visit && !activity.finished;
  return runs(before[message.to]) || runs(after[message.to]);
}

function rememberedIds(history: AnyMachineSnapshot['historyValue']): Record<string, string[]> {
  const remembered: Record<string, string[]> = {};
  for (const id in history) remembered[id] = inDocumentOrder(history[id] as AnyStateNode[]).map((node) => node.id);
  return remembered;
}

const inDocumentOrder = (nodes: readonly AnyStateNode[]): AnyStateNode[] => [...nodes].sort((a, b) => a.order - b.order);

function isEmpty(record: object): boolean {
  for (const _ in record) return false;
  return true;
}
