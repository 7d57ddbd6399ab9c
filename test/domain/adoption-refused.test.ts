import { describe, expect, it } from 'vitest';
import type { AnyStateMachine, StateValue } from 'xstate';
import type { Adoption } from '../../src/domain/adoption.ts';
import { before, type Config, definition, end, invoke, issuesOf, run, runOn, snapshotAfter } from '../support/adoptions.ts';

describe('a run is not adopted when', () => {
  const waiting = { invoke: invoke('fetch'), after: { limitMs: 'end' } };
  const deeper = (name: string) => ({ initial: name, states: { [name]: {} } });

  it.each<[string, AnyStateMachine, Partial<Adoption>, (RegExp | string)[]]>([
    ['its state is gone', definition({ resting: waiting, end }), {}, [/^waiting: there is no such state any more/]],
    [
      'its state has states of its own now',
      definition({ waiting: { ...waiting, ...deeper('a') }, end }),
      {},
      [/^waiting: it has states of its own \(a\)/],
    ],
    [
      'its state is mapped to one that has states of its own',
      definition({ on: deeper('a'), end }),
      { states: { waiting: 'on' } },
      [/^on: it has states of its own/],
    ],
    [
      'its state is mapped to a final one',
      before,
      { states: { waiting: 'end' }, activities: {} },
      [/^fetch: /, /^xstate/, /^end: it is a final state/],
    ],
    [
      'there is a region it was never in',
      definition({ main: { ...deeper('a') }, more: {} }, { type: 'parallel', initial: undefined }),
      { states: { waiting: 'main.a' } },
      [/^more: the run was never in this region/],
    ],
    [
      'what does its activity is gone',
      definition({ waiting: { after: { limitMs: 'end' } }, end }, {}, ['store']),
      {},
      [/^fetch: nothing does 'fetch' any more/],
    ],
    [
      'nobody takes the result of its activity',
      definition({ waiting: { after: { limitMs: 'end' } }, end }),
      {},
      [/^fetch: its state does not take its result any more/],
    ],
    [
      'its activity is done by other code',
      definition({ waiting: { ...waiting, invoke: invoke('fetch', 'store') }, end }),
      {},
      [/^fetch: it was 'fetch' and is 'store' now/],
    ],
    [
      'nobody takes its timer',
      definition({ waiting: { invoke: invoke('fetch') }, end }),
      {},
      [/^xstate\.after\.limitMs\.job\.waiting: the run waits for this timer/],
    ],
    [
      'its state has another activity, and the old machine is not known',
      definition({ waiting: { ...waiting, invoke: [invoke('fetch'), invoke('audit')] }, end }),
      {},
      [/^audit: its state 'waiting' does this activity, .* give the old machine/],
    ],
    [
      'its state has another timer, and the old machine is not known',
      definition({ waiting: { ...waiting, after: { limitMs: 'end', otherMs: 'end' } }, end }),
      {},
      [/^xstate\.after\.otherMs\.job\.waiting: .* give the old machine/],
    ],
    [
      'an eventless transition would leave its state',
      definition({ waiting: { ...waiting, always: { guard: 'isReady', target: 'end' } }, end }),
      { context: () => ({ ready: true }) },
      [/^waiting: an eventless transition would leave it at once/],
    ],
    [
      'whether one would leave it cannot be told',
      definition({ waiting: { ...waiting, always: { guard: 'throws', target: 'end' } }, end }),
      {},
      [/^waiting: whether it is left at once cannot be told: .*Cannot read/],
    ],
    [
      'its new context is not JSON',
      before,
      { context: () => ({ since: new Date(0) }) as never },
      ['context: the new one is not JSON ($.since: Date)'],
    ],
    ['its new context is nothing', before, { context: () => undefined as never }, ['context: the new one is not JSON ($: undefined)']],
    ['the upcast throws', before, { context: (old) => (old as Config).gone.there }, [/^context: making the new one threw: Cannot read/]],
    [
      'several things are wrong: all of them are told',
      definition({ waiting: {}, end }, {}, ['store']),
      {},
      [/^fetch: nothing does/, /^xstate\.after/],
    ],
    [
      'its state and its context are wrong: both are told',
      definition({ resting: waiting, end }),
      { context: () => undefined as never },
      [/^waiting: /, /^context: /],
    ],
  ])('%s', (_, after, adoption, issues) => {
    expect(issuesOf(run, after, adoption)).toEqual(
      issues.map((issue) => (typeof issue === 'string' ? issue : expect.stringMatching(issue))),
    );
  });

  it('two of its regions would be one state, two of its activities one activity, or two of its timers one timer', () => {
    const both = definition({ waiting: { invoke: [invoke('fetch'), invoke('auditor', 'audit')] }, end });
    const one = definition({ waiting: { invoke: invoke('fetch') }, end });
    const twice = ['fetch: two activities of the run would be this one'];
    expect(issuesOf(runOn(both), one, { activities: { auditor: 'fetch' } })).toEqual(twice);
    const region = (more: Config = {}) => ({ initial: 'on', states: { on: {}, off: {} }, ...more });
    const regions = definition({ one: region(), two: region() }, { type: 'parallel', initial: undefined });
    const single = definition({ one: region() });
    expect(issuesOf(runOn(regions), single, { states: { 'two.on': 'one.off' } })).toEqual([
      expect.stringMatching(/^one: its states are not regions side by side, the run cannot be in on and off/),
    ]);
    const timed = definition(
      { one: region({ after: { limitMs: {} } }), two: region({ after: { limitMs: {} } }) },
      { type: 'parallel', initial: undefined },
    );
    const merged = definition({ one: region({ after: { limitMs: {} } }) });
    expect(issuesOf(runOn(timed), merged, { states: { two: 'one' } })).toEqual([
      'xstate.after.limitMs.job.one: two timers of the run would be this one',
    ]);
  });

  it('a region has ended, unless it is known to have ended before', () => {
    const value: StateValue = { one: 'over', two: 'on' };
    const regions = (version: string) =>
      definition(
        {
          both: {
            type: 'parallel',
            states: {
              one: { initial: 'on', states: { on: { on: { stop: 'over' } }, over: end } },
              two: { initial: 'on', states: { on: {}, over: end } },
            },
          },
        },
        { version },
      );
    const half = runOn(regions('1'), { type: 'stop' });
    expect(half.snapshot.value).toEqual({ both: value });
    expect(snapshotAfter(half, regions('2'), { from: regions('1') }).value).toEqual({ both: value });
    expect(issuesOf(half, regions('2'))).toEqual([expect.stringMatching(/^both\.one\.over: it is a final state/)]);
  });
});
