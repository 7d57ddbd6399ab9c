import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type AnyStateMachine, assign, createMachine, raise, type StateValue, spawnChild, stopChild } from 'xstate';
import { z } from 'zod';
import { type Adoption, adoptRun } from '../../src/domain/adoption.ts';
import { type DefinedJob, defineJob } from '../../src/domain/define-job.ts';
import { AdoptionRefusedError } from '../../src/domain/errors.ts';
import { instant, type JobTypeId, type RunId, type Sequence } from '../../src/domain/ids.ts';
import { advanceRun, type Run, runAfter, startRun, verifyNext } from '../../src/domain/run.ts';
import { parseRunEvent } from '../../src/domain/run-event.ts';
import { activity } from '../../src/domain/statechart/declare-activity.ts';
import { now as atNow } from '../../src/domain/statechart/environment.ts';
import { activityDone, activityFailed, foldable, timerFired } from '../../src/domain/statechart/fold.ts';
import type { Json } from '../../src/domain/statechart/json.ts';
import { FoldedRun } from '../support/folded-run.ts';
import { randomStatechart } from '../support/random-statechart.ts';
import { SeededRandom } from '../support/seeded-random.ts';

// biome-ignore lint/suspicious/noExplicitAny: configurations of machines, written for these tests and read by XState
type Config = any;

const START = Date.UTC(2026, 0, 1);
const MINUTE = 60_000;
const factsAt = (minute: number, delivery = 1) => ({
  eventId: `event-${minute}`,
  at: instant(START + minute * MINUTE),
  source: '/almanac/test',
  lease: { command: 7, delivery },
});

const DELAYS = { limitMs: 10 * MINUTE, otherMs: 5 * MINUTE };
const definition = (states: Config, more: Config = {}, actors = ['fetch', 'store', 'audit']): AnyStateMachine =>
  createMachine({ id: 'job', context: { url: 'a' }, initial: Object.keys(states)[0], ...more, states } as never, {
    actors: Object.fromEntries(actors.map((src) => [src, activity()])) as never,
    delays: { ...DELAYS, ...more.delays },
    guards: { isReady: ({ context }: Config) => context.ready === true, throws: ({ context }: Config) => context.gone.there },
    actions: more.actions,
  });
const invoke = (id: string, src = id, more: Config = {}) => ({ id, src, onDone: 'end', onError: 'end', ...more });
const end = { type: 'final' };

/** The run of a machine after it has heard these events. */
function runOn(machine: AnyStateMachine, ...heard: Config[]): Run {
  const statechart = foldable(machine);
  const request = { jobType: 'job' as JobTypeId, runId: 'r1' as RunId, input: {} };
  let decision = startRun(statechart, request, factsAt(0));
  const stored = () => runAfter(request.jobType, request.runId, parseRunEvent(decision.bytes), decision.bytes, 1 as Sequence);
  for (const each of heard) {
    const stimulus = 'kind' in each ? each : { kind: 'event', event: each };
    decision = advanceRun(statechart, stored(), stimulus, factsAt(1))!;
  }
  return stored();
}
const adopt = (run: Run, to: AnyStateMachine, adoption: Partial<Adoption> = {}) =>
  adoptRun(foldable(to), { from: run.definition, ...adoption }, run, factsAt(2, 2));
const snapshotAfter = (...args: Parameters<typeof adopt>) => adopt(...args).event.data.snapshot;
function issuesOf(...args: Parameters<typeof adopt>): readonly string[] {
  try {
    adopt(...args);
  } catch (error) {
    if (error instanceof AdoptionRefusedError) return error.issues;
    throw error;
  }
  throw new Error('it was adopted');
}

const before = definition({ waiting: { invoke: invoke('fetch'), after: { limitMs: 'end' }, on: { go: 'end' } }, end });
const run = runOn(before);

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
        lease: { command: 7, delivery: 2 },
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

describe('a job made of steps', () => {
  const step = { output: z.null(), run: async () => null };
  const job = () => defineJob({ id: 'job', summary: '', input: z.strictObject({}) });
  const machineOf = (defined: DefinedJob) => defined.jobType.machine;
  const old = machineOf(job().step('download', step).build());
  const now = machineOf(job().step('fetch', step).build());

  it('goes on in its step when steps are added behind it', () => {
    const downloading = runOn(old);
    const longer = machineOf(job().step('download', step).step('upload', step).build());
    expect(snapshotAfter(downloading, longer)).toEqual(downloading.snapshot);
  });

  it('goes on in a renamed step, between attempts and while it is paused, too', () => {
    const renamed: Partial<Adoption> = {
      states: { 'running.download': 'running.fetch' },
      activities: { download: 'fetch' },
      delays: { 'timeoutMs:download': 'timeoutMs:fetch', 'backoffMs:download': 'backoffMs:fetch' },
      context: (old) => ({ ...(old as Config), attempts: { fetch: (old as Config).attempts.download ?? 0 } }),
    };
    const executing = runOn(old);
    const { activities, context, value } = snapshotAfter(executing, now, renamed);
    const [visit] = Object.values(executing.snapshot.activities!).map((started) => started.visit);
    expect({ value, context, activities }).toMatchObject({
      value: { running: { fetch: 'executing' } },
      context: { attempts: { fetch: 1 } },
      activities: { fetch: { src: 'fetch', visit } },
    });
    const failed = activityFailed('download', visit!, { name: 'Error', message: 'no' });
    const backingOff = runOn(old, failed);
    expect(snapshotAfter(backingOff, now, renamed).value).toEqual({ running: { fetch: 'backingOff' } });
    const timer = Object.entries(backingOff.snapshot.timers!).find(([id]) => id.includes('backoffMs'))!;
    const paused = runOn(old, failed, { type: 'pause' }, timerFired(timer[0], timer[1].visit, timer[1]));
    expect(snapshotAfter(paused, now, renamed).value).toEqual({ running: { fetch: 'ready' } });
    const resumed = { ...renamed, context: (old: Json) => ({ ...(old as Config), pauseRequested: false }) };
    expect(issuesOf(paused, now, resumed)).toEqual([expect.stringMatching(/^running\.fetch\.ready: an eventless transition/)]);
  });
});

describe('random statecharts', () => {
  // XState warns of charts like these.
  beforeAll(() => void vi.spyOn(console, 'warn').mockImplementation(() => {}));
  afterAll(() => void vi.restoreAllMocks());

  it('adopt their own runs as they are', () => {
    // Actors and messages that nobody hears on the old definition either. And XState in a configuration that is none.
    const known = /its state does not take its result|no state takes '|its states are not regions side by side|was never in this region/;
    let same = 0;
    for (let seed = 1; seed <= 80; seed++) {
      const random = new SeededRandom(`adopt ${seed}`);
      const { machine, events } = randomStatechart(seed);
      const played = new FoldedRun(machine, { n: seed % 5 }, {});
      for (let moves = 0; moves < 12 && played.active; moves++) {
        const before = { ...run, definition: played.statechart.definitionHash, snapshot: played.snapshot };
        try {
          expect(adopt(before, machine, { from: machine }).event.data.snapshot).toEqual(played.snapshot);
          same++;
        } catch (error) {
          if (!(error instanceof AdoptionRefusedError)) throw error;
          expect(error.issues.filter((issue) => !known.test(issue))).toEqual([]);
        }
        played.play({ do: 'hear', event: random.pick(events) });
        if (played.active) played.play({ do: 'elapse', ms: random.int(10) });
      }
    }
    expect(same).toBeGreaterThan(400);
  });
});

it('an eventless transition that does not happen now is no hindrance', () => {
  const after = definition({
    waiting: { invoke: invoke('fetch'), after: { limitMs: 'end' }, always: { guard: 'isReady', target: 'end' } },
    end,
  });
  expect(snapshotAfter(run, after).value).toBe('waiting');
});
