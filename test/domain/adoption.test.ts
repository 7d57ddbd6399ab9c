import { describe, expect, it } from 'vitest';
import { assign, raise, spawnChild, stopChild } from 'xstate';
import type { Sequence } from '../../src/domain/ids.ts';
import { advanceRun, runAfter } from '../../src/domain/run.ts';
import { parseRunEvent } from '../../src/domain/run-event.ts';
import { now as atNow } from '../../src/domain/statechart/environment.ts';
import { activityDone, foldable, timerFired } from '../../src/domain/statechart/fold.ts';
import type { Json } from '../../src/domain/statechart/json.ts';
import { verifyNext } from '../../src/domain/verify-history.ts';
import {
  adopt,
  before,
  type Config,
  definition,
  end,
  factsAt,
  invoke,
  issuesOf,
  MINUTE,
  run,
  runOn,
  START,
  snapshotAfter,
} from '../support/adoptions.ts';

describe('an adopted run', () => {
  it('has one event more, of the new definition, and keeps what goes on with its visits', () => {
    const after = definition({ waiting: { invoke: invoke('fetch'), after: { limitMs: 'end' } }, extra: {}, end });
    const { event, bytes, effects } = adopt(run, after);
    expect(event).toMatchObject({
      type: 'almanac.run.adopted',
      subject: 'job/r1',
      data: {
        revision: 2,
        from: 'waiting',
        to: 'waiting',
        cause: { command: 7 },
        lease: { command: 7, delivery: 2, term: 1 },
        definition: foldable(after).definitionHash,
        snapshot: run.snapshot,
      },
    });
    expect(effects).toEqual([]);
    const started = { event: parseRunEvent(run.lastBytes), bytes: run.lastBytes };
    expect(() => verifyNext(foldable(after), started, { event, bytes })).not.toThrow();
  });

  it('goes on where it was, on the new definition', () => {
    const after = definition({
      getting: { invoke: invoke('fetch', 'fetch', { onDone: 'storing' }), after: { limitMs: 'end' } },
      storing: {},
      end,
    });
    const { event, bytes } = adopt(run, after, { states: { waiting: 'getting' } });
    const adopted = runAfter(run.jobType, run.runId, event, bytes, 2 as Sequence);
    expect(advanceRun(foldable(after), adopted, activityDone('fetch', 2, null), factsAt(3))?.event.data.to).toBe('storing');
    const [id] = Object.keys(event.data.snapshot.timers!);
    expect(advanceRun(foldable(after), adopted, timerFired(id!, 1, event.data.snapshot.timers![id!]!), factsAt(11))?.event.data.to).toBe(
      'end',
    );
  });

  it('has the timers of its states under their new names, due when they were', () => {
    const after = definition({
      outer: {
        initial: 'inner',
        states: {
          inner: { invoke: invoke('fetch', 'fetch', { onDone: '#job.end', onError: '#job.end' }), after: { limitMs: '#job.end' } },
        },
      },
      end,
    });
    expect(snapshotAfter(run, after, { states: { waiting: 'outer.inner' } })).toMatchObject({
      value: { outer: 'inner' },
      timers: {
        'xstate.after.limitMs.job.outer.inner': {
          visit: 1,
          dueAt: START + 10 * MINUTE,
          event: { type: 'xstate.after.limitMs.job.outer.inner' },
        },
      },
    });
  });

  it('finds the timers of states that have an id of their own', () => {
    const states = (id: string, name: string) => ({ [name]: { id, after: { limitMs: 'end' } }, end });
    const waiting = runOn(definition(states('mine', 'waiting')));
    expect(Object.keys(snapshotAfter(waiting, definition({ ...states('mine', 'waiting'), extra: {} })).timers!)).toEqual([
      'xstate.after.limitMs.mine',
    ]);
    const unknown = /^xstate\.after\.limitMs\.mine: it is not known whose timer this is/;
    expect(issuesOf(waiting, definition(states('other', 'resting')), { states: { waiting: 'resting' } })[0]).toMatch(unknown);
    const renamed = { from: definition(states('mine', 'waiting')), states: { waiting: 'resting' } };
    expect(Object.keys(snapshotAfter(waiting, definition(states('other', 'resting')), renamed).timers!)).toEqual([
      'xstate.after.limitMs.other',
    ]);
  });

  it('has a mapped state with everything below it, unless something below has an entry of its own', () => {
    const nested = (outer: string, inner: string) =>
      definition({
        [outer]: {
          initial: inner,
          after: { limitMs: 'end' },
          states: { [inner]: { invoke: invoke('fetch', 'fetch', { onDone: '#job.end', onError: '#job.end' }) } },
        },
        end,
      });
    const inside = runOn(nested('running', 'first'));
    expect(snapshotAfter(inside, nested('working', 'first'), { states: { running: 'working' } })).toMatchObject({
      value: { working: 'first' },
      timers: { 'xstate.after.limitMs.job.working': { visit: 1 } },
    });
    const both = { states: { running: 'working', 'running.first': 'working.start' } };
    expect(snapshotAfter(inside, nested('working', 'start'), both).value).toEqual({ working: 'start' });
  });

  it('keeps its regions, in the order of the new definition', () => {
    const regions = (...names: string[]) =>
      definition(Object.fromEntries(names.map((name) => [name, { initial: 'on', states: { on: {} } }])), {
        type: 'parallel',
        initial: undefined,
      });
    const moved = snapshotAfter(runOn(regions('one', 'two')), regions('zero', 'one'), { states: { two: 'zero' } });
    expect(JSON.stringify(moved.value)).toBe('{"zero":"on","one":"on"}');
    const atomic = (extra: Config) => definition({ one: {}, two: {}, ...extra }, { type: 'parallel', initial: undefined });
    expect(
      snapshotAfter(runOn(atomic({})), definition({ one: {}, two: {} }, { type: 'parallel', initial: undefined, version: '2' })).value,
    ).toEqual({ one: {}, two: {} });
  });

  it('remembers the states it was in by their new names', () => {
    const withHistory = (inner: string, more: Config = {}) =>
      definition({
        working: { initial: inner, states: { [inner]: {}, back: { type: 'history' } }, on: { pause: 'paused' } },
        paused: { on: { resume: 'working.back' } },
        end,
        ...more,
      });
    const paused = runOn(withHistory('first'), { type: 'pause' });
    expect(snapshotAfter(paused, withHistory('start'), { states: { 'working.first': 'working.start' } }).history).toEqual({
      'job.working.back': ['job.working.start'],
    });
    expect(issuesOf(paused, withHistory('start'))).toEqual([expect.stringMatching(/^job\.working\.first: the run remembers this state/)]);
  });

  it('has a new context, as the log will say it', () => {
    const upcast = { context: (old: Json) => ({ ...(old as object), attempts: 0, gone: undefined }) as never };
    const { context } = snapshotAfter(run, before, upcast);
    expect(context).toEqual({ url: 'a', attempts: 0 });
    expect(Object.keys(context as object)).toEqual(['url', 'attempts']);
  });

  it('keeps its old context, whatever the upcast does to what it is given', () => {
    const kept = JSON.stringify(run.snapshot);
    adopt(run, before, { context: (old) => Object.assign(old as object, { url: 'b' }) as Json });
    expect(JSON.stringify(run.snapshot)).toBe(kept);
  });

  it('keeps an activity under a new id and by other code, if it is named', () => {
    const after = definition({ waiting: { invoke: invoke('download', 'store'), after: { limitMs: 'end' } }, end });
    expect(snapshotAfter(run, after, { activities: { fetch: 'download' } }).activities).toEqual({ download: { src: 'store', visit: 2 } });
  });

  it('keeps a timer whose delay has another name, if it is named', () => {
    const after = definition({ waiting: { invoke: invoke('fetch'), after: { otherMs: 'end' } }, end });
    const { timers } = snapshotAfter(run, after, { delays: { limitMs: 'otherMs' } });
    expect(timers).toMatchObject({ 'xstate.after.otherMs.job.waiting': { visit: 1, dueAt: START + 10 * MINUTE } });
    expect(Object.keys(timers!)).toHaveLength(1);
  });

  it('does not begin again what has finished in a state that is still active', () => {
    const silent = definition({
      waiting: { invoke: { id: 'fetch', src: 'fetch', onDone: { actions: assign({ got: 1 } as never) } } },
      end,
    });
    const finished = runOn(silent, activityDone('fetch', 1, null));
    const after = definition({ waiting: { invoke: invoke('fetch', 'store') }, end });
    expect(snapshotAfter(finished, after, { from: silent }).activities).toEqual({ fetch: { src: 'store', visit: 1, finished: true } });
    expect(snapshotAfter(finished, definition({ waiting: {}, end })).activities).toBeUndefined();
  });

  it('keeps an activity that was spawned, as long as somebody takes its result', () => {
    const spawning = (on: Config) => definition({ waiting: { on }, end }, { entry: spawnChild('audit', { id: 'auditor' } as never) });
    const spawned = runOn(spawning({}));
    const done = { 'xstate.done.actor.auditor': 'end' };
    expect(snapshotAfter(spawned, spawning(done)).activities).toEqual({ auditor: { src: 'audit', visit: 1 } });
    expect(issuesOf(spawned, spawning({ go: 'end' }))).toEqual([
      expect.stringMatching(/^auditor: its state does not take its result any more/),
    ]);
  });

  it('keeps an event that was raised for later, as long as some state takes it', () => {
    const raising = (on: Config) =>
      definition({ waiting: { on }, end }, { entry: raise({ type: 'late' } as never, { delay: 1000, id: 'later' } as never) });
    const raised = runOn(raising({}));
    expect(snapshotAfter(raised, raising({ late: 'end' })).timers).toEqual(raised.snapshot.timers);
    expect(issuesOf(raised, raising({ go: 'end' }))).toEqual([expect.stringMatching(/^later: no state takes 'late' any more/)]);
  });
});

describe('with the old machine at hand, what is new in the present state is begun', () => {
  const addedTo = (waiting: Config) => definition({ waiting: { invoke: invoke('fetch'), after: { limitMs: 'end' }, ...waiting }, end });
  const two = (more: Config = {}) => [
    invoke('fetch'),
    invoke('audit', 'audit', { input: ({ context }: Config) => ({ of: context.url, at: atNow() }), ...more }),
  ];

  it('an activity, with a visit of its own and the input of the new context', () => {
    const upcast = { from: before, context: () => ({ url: 'b' }) };
    const { activities, visits } = snapshotAfter(run, addedTo({ invoke: two({ systemId: 'auditor' }) }), upcast);
    expect(activities).toEqual({
      fetch: { src: 'fetch', visit: 2 },
      audit: { src: 'audit', visit: 3, systemId: 'auditor', input: { of: 'b', at: START + 2 * MINUTE } },
    });
    expect(visits).toBe(3);
  });

  it('a timer, from now on', () => {
    const { timers } = snapshotAfter(run, addedTo({ after: { limitMs: 'end', otherMs: 'end' } }), { from: before });
    const added = 'xstate.after.otherMs.job.waiting';
    expect(timers).toMatchObject({ [added]: { visit: 3, dueAt: START + 7 * MINUTE, event: { type: added } } });
    const computed = definition(
      { waiting: { invoke: invoke('fetch'), after: { limitMs: 'end', soonMs: 'end' } }, end },
      { delays: { soonMs: ({ context }: Config) => context.url.length } },
    );
    expect(snapshotAfter(run, computed, { from: before }).timers).toMatchObject({
      'xstate.after.soonMs.job.waiting': { dueAt: START + 2 * MINUTE + 1 },
    });
  });

  it('but no timer that has fired, and no activity that was stopped', () => {
    const once = (version: string) =>
      definition({ waiting: { invoke: invoke('fetch'), after: { limitMs: { actions: stopChild('fetch') } } }, end }, { version });
    const waiting = runOn(once('1'));
    const id = 'xstate.after.limitMs.job.waiting';
    const fired = runOn(once('1'), timerFired(id, 1, waiting.snapshot.timers![id]!));
    const { activities, timers } = snapshotAfter(fired, once('2'), { from: once('1') });
    expect({ activities, timers }).toEqual({ activities: undefined, timers: undefined });
    expect(issuesOf(fired, once('2'))).toEqual([
      expect.stringMatching(/^fetch: .*give the old machine/),
      expect.stringMatching(/^xstate\.after\.limitMs\.job\.waiting: .*give the old machine/),
    ]);
  });

  it.each<[string, Config, RegExp]>([
    [
      'an input that looks at the event that led to it',
      { invoke: two({ input: ({ event }: Config) => event.output }) },
      /^audit: its input cannot be worked out: it depends on the event/,
    ],
    [
      'an input that looks at what runs the machine',
      { invoke: two({ input: ({ self }: Config) => self.id }) },
      /^audit: its input cannot be worked out: it depends on the self/,
    ],
    [
      'an input whose code throws',
      { invoke: two({ input: ({ context }: Config) => context.gone.there }) },
      /^audit: its input cannot be worked out: Cannot read/,
    ],
    [
      'an input that is not JSON',
      { invoke: two({ input: () => ({ since: new Date(0) }) }) },
      /^audit: its input is not JSON \(\$\.since: Date\)/,
    ],
    [
      'a delay that nobody knows',
      { after: { limitMs: 'end', unheardOfMs: 'end' } },
      /^xstate\.after\.unheardOfMs\.job\.waiting: its delay is undefined/,
    ],
  ])('not %s', (_, waiting, issue) => {
    expect(issuesOf(run, addedTo(waiting), { from: before })).toEqual([expect.stringMatching(issue)]);
  });
});

it('an eventless transition that does not happen now is no hindrance', () => {
  const after = definition({
    waiting: { invoke: invoke('fetch'), after: { limitMs: 'end' }, always: { guard: 'isReady', target: 'end' } },
    end,
  });
  expect(snapshotAfter(run, after).value).toBe('waiting');
});
