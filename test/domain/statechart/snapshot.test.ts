import { describe, expect, it } from 'vitest';
import { setup } from 'xstate';
import { instant } from '../../../src/domain/ids.ts';
import { foldable } from '../../../src/domain/statechart/fold.ts';
import { describeState, isFinal, outcomeOf, outstanding, type Snapshot } from '../../../src/domain/statechart/snapshot.ts';

const environment = { at: instant(0), seed: 's' };
const active: Snapshot = { value: 'a', context: {}, status: 'active', visits: 3 };

describe('describeState', () => {
  it.each([
    ['idle', 'idle'],
    [{ running: 'download' }, 'running.download'],
    [{ running: { download: 'trying' } }, 'running.download.trying'],
    [{ working: { fetch: 'running', audit: 'idle' } }, 'working.(fetch.running|audit.idle)'],
    [{ fetch: { deep: 'er' }, audit: {} }, '(fetch.deep.er|audit)'],
    [{}, ''],
  ])('%j is %s', (value, text) => {
    expect(describeState(value)).toBe(text);
  });

  it('does not depend on the way a state was reached', () => {
    const region = { initial: 'a', states: { a: { on: { go: 'b' } }, b: { on: { back: 'a' } } } } as const;
    const machine = setup({}).createMachine({ id: 'p', type: 'parallel', states: { second: region, first: region } });
    const statechart = foldable(machine, { memoise: false });
    const { snapshot } = statechart.start(undefined, environment);
    const swapped: Snapshot = { ...snapshot, value: { first: 'a', second: 'a' } };
    expect(Object.keys(statechart.hydrate(swapped).value)).toEqual(['second', 'first']);
    expect(statechart.hydrate(swapped)._nodes.map((node) => node.id)).toEqual(['p', 'p.second', 'p.second.a', 'p.first', 'p.first.a']);
    const step = statechart.step(swapped, { kind: 'event', event: { type: 'go' } }, environment)!;
    expect(describeState(step.snapshot.value)).toBe('(second.b|first.b)');
    expect(Object.keys(step.snapshot.value)).toEqual(['second', 'first']);
  });
});

describe('the end', () => {
  it.each([
    [{ status: 'active', value: 'a' }, undefined],
    [{ status: 'done', value: 'succeeded' }, 'succeeded'],
    [{ status: 'done', value: { left: 'x', right: 'y' } }, 'done'],
    [{ status: 'error', value: 'a' }, 'failed'],
    [{ status: 'stopped', value: 'a' }, 'cancelled'],
  ] as const)('%j has the outcome %s', (snapshot, outcome) => {
    expect(outcomeOf(snapshot)).toBe(outcome);
    expect(isFinal(snapshot)).toBe(outcome !== undefined);
  });
});

describe('outstanding', () => {
  const timer = { visit: 2, dueAt: instant(9), event: { type: 'late' } };
  const started: Snapshot = {
    ...active,
    activities: { scan: { src: 'scan', visit: 1, input: { path: '/' } }, done: { src: 'scan', visit: 3, finished: true } },
    timers: { late: timer },
  };

  it('is every unfinished activity and every timer', () => {
    expect(outstanding(started)).toEqual({
      activities: [{ id: 'scan', src: 'scan', visit: 1, input: { path: '/' } }],
      timers: [{ id: 'late', ...timer }],
    });
  });

  it('is nothing when nothing was asked for, or all is over', () => {
    expect(outstanding(active)).toEqual({ activities: [], timers: [] });
    expect(outstanding({ ...started, status: 'stopped' })).toEqual({ activities: [], timers: [] });
  });
});
