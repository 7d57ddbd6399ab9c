/** The states that a value stands for in a machine, checked: XState ignores or fills in what does not fit. */
import type { AnyStateMachine, AnyStateNode, StateValue } from 'xstate';
import { error, type Finding } from './finding.ts';
import { statesOf } from './machine-walk.ts';

export interface Configuration {
  /** Document order, the root first. */
  readonly active: readonly AnyStateNode[];
  /** None: the value names exactly one state of each compound state and all regions of each parallel one. */
  readonly issues: readonly Finding[];
}

export function configurationOf(machine: AnyStateMachine, value: StateValue): Configuration {
  const active = new Set<AnyStateNode>();
  const issues: Finding[] = [];
  const enter = (node: AnyStateNode, below: StateValue): void => {
    active.add(node);
    const children = Object.values(node.states).filter((child) => child.type !== 'history');
    const entries = entriesOf(below);
    for (const [key, rest] of entries) {
      const child = children.find((candidate) => candidate.key === key);
      if (child === undefined)
        issues.push(error('state-gone', pathOf(node, key), 'there is no such state any more: map it to one that exists'));
      else enter(child, rest);
    }
    const names = children.map(({ key }) => key).join(', ');
    if (node.type === 'parallel') {
      const entered = new Set(entries.map(([key]) => key));
      for (const { key } of children)
        if (!entered.has(key)) issues.push(error('region-missing', pathOf(node, key), 'the run was never in this region'));
    } else if (children.length > 0 && entries.length === 0) {
      issues.push(error('state-incomplete', pathOf(node), `it has states of its own (${names}): map to one of them`));
    } else if (children.length > 0 && entries.length > 1) {
      const both = entries.map(([key]) => key).join(' and ');
      issues.push(error('state-ambiguous', pathOf(node), `its states are not regions side by side, the run cannot be in ${both}`));
    }
  };
  enter(machine.root, value);
  return { active: [...statesOf(machine)].filter((node) => active.has(node)), issues };
}

/** As people write it, e.g. `running.download`; the root by the machine's id. */
const pathOf = (node: AnyStateNode, key?: string): string => [...node.path, ...(key === undefined ? [] : [key])].join('.') || node.id;

/** A state without states of its own stands as `{}` beside other regions. */
const entriesOf = (value: StateValue): [string, StateValue][] =>
  typeof value === 'string' ? [[value, {}]] : Object.entries(value).map(([key, below]) => [key, below ?? {}]);
