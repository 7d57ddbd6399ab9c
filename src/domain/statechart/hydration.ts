/** From the stored form to the object XState works on, without the actors that its own `restoreSnapshot` would create. */
import type { AnyMachineSnapshot, AnyStateMachine, AnyStateNode, StateValue } from 'xstate';
import { SnapshotMismatchError } from '../errors.ts';
import type { InertReference, InertScope } from './inert-scope.ts';
import type { Snapshot } from './snapshot.ts';

export interface Hydration {
  /** @throws {SnapshotMismatchError} It names states that the machine does not have. */
  hydrate(snapshot: Snapshot): AnyMachineSnapshot;
  /** XState's snapshot of a state value, shared: copy it before changing it. Its nodes are in document order. */
  template(value: StateValue): AnyMachineSnapshot;
  /** The same state, always in the same bytes: regions in document order. */
  canonicalValue(value: StateValue): StateValue;
  nodeById(id: string): AnyStateNode | undefined;
}

/** Configurations kept: beyond any sensible statechart, and a bound on memory for the others. */
const MAX_TEMPLATES = 4096;

export function hydration(machine: AnyStateMachine, inert: InertScope): Hydration {
  const templates = new Map<string, AnyMachineSnapshot>();
  const byCanonicalValue = new WeakMap<object, AnyMachineSnapshot>();
  // Not getStateNodeById: it reads the id as a path, and loses custom ids that contain a dot.
  const nodes = (machine as unknown as { idMap: ReadonlyMap<string, AnyStateNode> }).idMap;

  const template = (value: StateValue): AnyMachineSnapshot => {
    const known = typeof value === 'object' ? byCanonicalValue.get(value) : undefined;
    if (known !== undefined) return known;
    const key = typeof value === 'string' ? value : JSON.stringify(value);
    let found = templates.get(key);
    if (found === undefined) {
      found = resolve(machine, value);
      if (templates.size >= MAX_TEMPLATES) templates.clear();
      templates.set(key, found);
      if (typeof found.value === 'object') byCanonicalValue.set(found.value, found);
    }
    return found;
  };

  const rememberedNodes = (ids: readonly string[]): AnyStateNode[] =>
    ids.map((id) => {
      const node = nodes.get(id);
      if (node === undefined) throw new Error(`no state has the remembered id '${id}'`);
      return node;
    });

  const children = (snapshot: Snapshot): Record<string, InertReference> => {
    const references: Record<string, InertReference> = {};
    for (const id in snapshot.activities) references[id] = inert.reference(id, snapshot.activities[id]!);
    return references;
  };

  const history = (snapshot: Snapshot): Record<string, AnyStateNode[]> => {
    const remembered: Record<string, AnyStateNode[]> = {};
    for (const id in snapshot.history) remembered[id] = rememberedNodes(snapshot.history[id]!);
    return remembered;
  };

  return {
    template,
    canonicalValue: (value) => (typeof value === 'string' ? value : template(value).value),
    nodeById: (id) => nodes.get(id),
    hydrate(snapshot) {
      try {
        return {
          ...template(snapshot.value),
          status: snapshot.status,
          context: snapshot.context,
          children: children(snapshot),
          historyValue: history(snapshot),
          output: snapshot.output,
          error: snapshot.error,
        } as unknown as AnyMachineSnapshot;
      } catch (cause) {
        throw new SnapshotMismatchError(machine.id, { cause });
      }
    },
  };
}

function resolve(machine: AnyStateMachine, value: StateValue): AnyMachineSnapshot {
  const resolved: AnyMachineSnapshot = machine.resolveState({ value, context: {} } as never);
  // A live actor keeps nodes in the order they were last entered, and regions answer in that order. Document order, as SCXML says,
  // does not depend on the path taken, nor on who had the run in memory.
  resolved._nodes.sort((a, b) => a.order - b.order);
  return { ...resolved, value: inDocumentOrder(machine.root, resolved.value) } as AnyMachineSnapshot;
}

function inDocumentOrder(node: AnyStateNode, value: StateValue): StateValue {
  if (typeof value === 'string') return value;
  const ordered: Record<string, StateValue> = {};
  for (const key in node.states) {
    const below = value[key];
    if (below !== undefined) ordered[key] = inDocumentOrder(node.states[key]!, below);
  }
  return ordered;
}
