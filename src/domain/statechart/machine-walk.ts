/** Going through a machine's definition: its states, and the actions and guards written in them. */
import type { AnyStateMachine, AnyStateNode, AnyTransitionDefinition } from 'xstate';

/** Something written in a machine, and where, for people: `job.running on cancel`. */
export interface Written {
  readonly what: unknown;
  readonly at: string;
}

/** Document order, the root first. */
export function* statesOf(machine: AnyStateMachine): Generator<AnyStateNode> {
  yield* withStatesBelow(machine.root);
}

function* withStatesBelow(node: AnyStateNode): Generator<AnyStateNode> {
  yield node;
  for (const child of Object.values(node.states)) yield* withStatesBelow(child);
}

export function* actionsOf(node: AnyStateNode): Generator<Written> {
  for (const what of node.entry) yield { what, at: `${node.id} entry` };
  for (const what of node.exit) yield { what, at: `${node.id} exit` };
  if (node.type === 'compound') for (const what of node.initial.actions) yield { what, at: `${node.id} initial` };
  for (const { transition, at } of transitionsOf(node)) for (const what of transition.actions) yield { what, at };
}

/** Guards combined by and, or, not are taken apart. */
export function* guardsOf(node: AnyStateNode): Generator<Written> {
  for (const { transition, at } of transitionsOf(node)) yield* guardParts(transition.guard, at);
}

function* guardParts(guard: unknown, at: string): Generator<Written> {
  if (guard === undefined) return;
  const parts = typeof guard === 'function' ? (guard as { guards?: readonly unknown[] }).guards : undefined;
  if (parts === undefined) yield { what: guard, at };
  for (const part of parts ?? []) yield* guardParts(part, at);
}

function* transitionsOf(node: AnyStateNode): Generator<{ transition: AnyTransitionDefinition; at: string }> {
  for (const [eventType, transitions] of node.transitions)
    for (const transition of transitions) yield { transition, at: `${node.id} on ${eventType}` };
  for (const transition of (node.always ?? []) as AnyTransitionDefinition[]) yield { transition, at: `${node.id} always` };
}

export interface Implementations {
  readonly actions: Readonly<Record<string, unknown>>;
  readonly guards: Readonly<Record<string, unknown>>;
  readonly delays: Readonly<Record<string, unknown>>;
  readonly actors: Readonly<Record<string, unknown>>;
}

export const implementationsOf = (machine: AnyStateMachine): Implementations => machine.implementations as unknown as Implementations;

/** An action or guard written by name, alone or with params; undefined for a function. */
export function writtenName(what: unknown): string | undefined {
  if (typeof what === 'string') return what;
  return typeof what === 'object' && what !== null ? (what as { type: string }).type : undefined;
}

/** What `assign`, `raise`, `spawnChild` and their like return: a function that carries what it was made from. */
export interface BuiltInAction {
  readonly type: string;
  readonly delay?: unknown;
  readonly id?: unknown;
  readonly src?: unknown;
}

/** The built-in action that is written here, by itself or under a name; undefined for the machine's own code and for unknown names. */
export function builtInAction(machine: AnyStateMachine, what: unknown): BuiltInAction | undefined {
  const name = writtenName(what);
  const implementation = name === undefined ? what : implementationsOf(machine).actions[name];
  return typeof implementation === 'function' && 'resolve' in implementation ? (implementation as unknown as BuiltInAction) : undefined;
}
