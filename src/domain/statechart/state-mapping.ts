/** Where the states of one definition are in another. The old machine helps, but need not be there: its code may be gone. */
import type { AnyStateMachine, AnyStateNode, StateValue } from 'xstate';
import { statesOf } from './machine-walk.ts';

/** A state the run is in, by its keys from the root: `running.download`; the root is empty. */
type Path = string;

interface OldState {
  readonly path: Path;
  /** XState's, as it stands in the ids of timers. Without the old machine: as XState makes it for a state that has no id of its own. */
  readonly id: string;
}

const AFTER = 'xstate.after.';

export class StateMapping {
  readonly #states: ReadonlyMap<Path, Path>;
  readonly #machine: AnyStateMachine;
  readonly #newStates: ReadonlyMap<Path, AnyStateNode>;
  readonly #oldStates: ReadonlyMap<Path, AnyStateNode> | undefined;

  /** @param states Old path → new path; it goes for the states below as well, unless one has an entry of its own. */
  constructor(machine: AnyStateMachine, states: Readonly<Record<Path, Path>>, oldMachine: AnyStateMachine | undefined) {
    this.#machine = machine;
    this.#states = new Map(Object.entries(states));
    this.#newStates = statesByPath(machine);
    this.#oldStates = oldMachine && statesByPath(oldMachine);
  }

  /** Whether the old machine is at hand, so that what it had and had not is known. */
  get knowsOld(): boolean {
    return this.#oldStates !== undefined;
  }

  newPath(old: Path): Path {
    const keys = old.split('.');
    for (let length = keys.length; length > 0; length--) {
      const to = this.#states.get(keys.slice(0, length).join('.'));
      if (to !== undefined) return [to, ...keys.slice(length)].join('.');
    }
    return old;
  }

  newValue(value: StateValue): StateValue {
    const tree: Tree = {};
    for (const path of leavesOf(value)) {
      let at = tree;
      for (const key of this.newPath(path).split('.')) {
        at[key] ??= {};
        at = at[key];
      }
    }
    return stateValue(tree, this.#machine.root);
  }

  /** The old machine's states that are `node` now. Empty without the old machine. */
  formerly(node: AnyStateNode): AnyStateNode[] {
    const path = node.path.join('.');
    return [...(this.#oldStates ?? [])].flatMap(([old, oldNode]) => (this.newPath(old) === path ? [oldNode] : []));
  }

  /** The new state for an id of the old machine. */
  newState(oldId: string): AnyStateNode | undefined {
    const [oldPath] = [...(this.#oldStates ?? [])].find(([, { id }]) => id === oldId) ?? [this.#pathInDefaultId(oldId)];
    if (oldPath !== undefined) return this.#newStates.get(this.newPath(oldPath));
    return this.#byId(oldId);
  }

  /** Splits the id of an `after` timer of a state the run is in: by the state's new node, if there is one, and the delay. */
  ownerOf(timerId: string, value: StateValue): { readonly state: AnyStateNode | undefined; readonly delay: string } | undefined {
    const owners = this.#oldActive(value)
      .filter(({ id }) => timerId.startsWith(AFTER) && timerId.endsWith(`.${id}`))
      .sort((a, b) => b.id.length - a.id.length);
    const [owner] = owners;
    if (owner === undefined) return undefined;
    return {
      state: this.#newStates.get(this.newPath(owner.path)),
      delay: timerId.slice(AFTER.length, timerId.length - owner.id.length - 1),
    };
  }

  #oldActive(value: StateValue): OldState[] {
    const above = (leaf: Path): Path[] => leaf.split('.').map((_, at, keys) => keys.slice(0, at + 1).join('.'));
    return [...new Set(['', ...leavesOf(value).flatMap(above)])].flatMap((path): OldState[] => {
      const known = this.#oldStates?.get(path);
      if (known !== undefined) return [{ path, id: known.id }];
      const unchanged = this.newPath(path) === path ? this.#newStates.get(path) : undefined;
      return [{ path, id: [this.#machine.id, path].filter(Boolean).join('.') }, ...(unchanged ? [{ path, id: unchanged.id }] : [])];
    });
  }

  #pathInDefaultId(id: string): Path | undefined {
    if (this.knowsOld || !id.startsWith(`${this.#machine.id}.`)) return undefined;
    return id.slice(this.#machine.id.length + 1);
  }

  #byId(id: string): AnyStateNode | undefined {
    return [...this.#newStates.values()].find((node) => node.id === id);
  }
}

/** `xstate.after.<delay>.<id of the state>`: how XState names the timers of `after`, and the events they raise. */
export const timerId = (delay: string, state: AnyStateNode): string => `${AFTER}${delay}.${state.id}`;
export const isAfterTimer = (id: string): boolean => id.startsWith(AFTER);

export const statesByPath = (machine: AnyStateMachine): ReadonlyMap<string, AnyStateNode> =>
  new Map([...statesOf(machine)].map((node) => [node.path.join('.'), node]));

/** Paths of the innermost states. */
function leavesOf(value: StateValue): Path[] {
  if (typeof value === 'string') return [value];
  return Object.entries(value).flatMap(([key, below = {}]) => {
    const leaves = leavesOf(below);
    return leaves.length === 0 ? [key] : leaves.map((leaf) => `${key}.${leaf}`);
  });
}

interface Tree {
  [key: string]: Tree;
}

function stateValue(tree: Tree, node: AnyStateNode | undefined): StateValue {
  const entries = Object.entries(tree);
  const [only] = entries;
  if (node?.type !== 'parallel' && entries.length === 1 && Object.keys(only![1]).length === 0) return only![0];
  return Object.fromEntries(entries.map(([key, below]) => [key, stateValue(below, node?.states[key])]));
}
