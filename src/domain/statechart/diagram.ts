/** A statechart as people see it: Mermaid's `stateDiagram-v2`, https://mermaid.js.org/syntax/stateDiagram.html. */
import type { StateValue } from 'xstate';
import { wordsOf } from './diagram-words.ts';
import type { MachineShape, StateShape } from './shape.ts';

/** Where a run is, or was when it ended. Only of the same definition: its states are looked up by name. */
export interface Highlight {
  readonly value: StateValue;
  readonly as: keyof typeof STYLES;
}

const STYLES = {
  active: 'fill:#2563eb,stroke:#1e3a8a,color:#ffffff',
  failed: 'fill:#dc2626,stroke:#7f1d1d,color:#ffffff',
} as const;

/** Ends with a line break. */
export function stateDiagram({ root }: MachineShape, highlight?: Highlight): string {
  const names = new Map(namesBelow(root, []));
  const states = isDrawn(root) ? boxOf(root, [], names) : insideOf(root, [], names);
  // Last, because Mermaid takes a state into the box in which an arrow mentions it.
  const lines = [...states, ...arrowsOf(root, [], names)];
  if (highlight !== undefined) {
    const { value, as } = highlight;
    lines.push(`classDef ${as} ${STYLES[as]}`, `class ${leavesOf(root, value).map((leaf) => names.get(leaf.id)!)} ${as}`);
  }
  return `${['stateDiagram-v2', ...indented(lines)].join('\n')}\n`;
}

/** What the diagram calls each state, by its id: unique, made of letters, digits and `_`, and no word of Mermaid's own. */
function* namesBelow(state: StateShape, path: readonly string[]): Generator<[id: string, name: string]> {
  yield [state.id, `s_${path.map(escapedKey).join('__')}`];
  for (const child of state.states ?? []) yield* namesBelow(child, [...path, child.key]);
}

const escapedKey = (key: string): string => key.replace(/[^A-Za-z0-9]/g, (char) => `_${char.charCodeAt(0).toString(16)}_`);

type Names = ReadonlyMap<string, string>;
/** Keys of the states around one, the outermost first. */
type Around = readonly string[];

/** The frame of the diagram stands for the root, unless the root does something itself, has regions or is gone to. */
const isDrawn = (root: StateShape): boolean =>
  root.type === 'parallel' || root.invoke !== undefined || root.edges !== undefined || isTarget(root.id, root);

const isTarget = (id: string, { edges = [], states = [] }: StateShape): boolean =>
  edges.some(({ targets }) => targets.includes(id)) || states.some((below) => isTarget(id, below));

function boxOf(state: StateShape, around: Around, names: Names): string[] {
  const name = names.get(state.id)!;
  const { title, doing } = wordsOf(state, around);
  if (state.states === undefined) return [`state "${title}" as ${name}`, ...doing.map((line) => `${name}: ${line}`)];
  // Mermaid has no room for a text in a state with states: it goes below the title.
  return [`state "${[title, ...doing].join('<br/>')}" as ${name} {`, ...indented(insideOf(state, [...around, state.key], names)), '}'];
}

function insideOf(state: StateShape, around: Around, names: Names): string[] {
  return (state.states ?? []).flatMap((child, index) => {
    const name = names.get(child.id)!;
    return [
      ...(state.type === 'parallel' && index > 0 ? ['--'] : []),
      ...(state.initial === child.id ? [`[*] --> ${name}`] : []),
      ...boxOf(child, around, names),
      ...(child.type === 'final' ? [`${name} --> [*]`] : []),
    ];
  });
}

/** One arrow from one state to another, however many reasons there are to go that way. */
function arrowsOf(state: StateShape, around: Around, names: Names): string[] {
  const { leaving } = wordsOf(state, around);
  const arrows = [...leaving].map(([target, reasons]) => {
    const label = reasons.filter((reason) => reason !== '').join('<br/>');
    return `${names.get(state.id)} --> ${names.get(target)}${label === '' ? '' : `: ${label}`}`;
  });
  return [...arrows, ...(state.states ?? []).flatMap((child) => arrowsOf(child, [...around, state.key], names))];
}

/** Mermaid does not colour states that have states. */
function leavesOf(state: StateShape, value: StateValue): StateShape[] {
  const below = (key: string, rest: StateValue) => leavesOf(state.states!.find((child) => child.key === key)!, rest);
  if (typeof value === 'string') return below(value, {});
  const regions = Object.entries(value);
  return regions.length === 0 ? [state] : regions.flatMap(([key, rest]) => below(key, rest ?? {}));
}

const indented = (lines: readonly string[]): string[] => lines.map((line) => `  ${line}`);
