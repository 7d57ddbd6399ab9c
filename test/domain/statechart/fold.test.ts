import { describe, expect, it } from 'vitest';
import { assign, emit, log, raise, sendParent, sendTo, setup, spawnChild } from 'xstate';
import { SnapshotMismatchError, StatechartCodeError } from '../../../src/domain/errors.ts';
import { instant } from '../../../src/domain/ids.ts';
import { activity } from '../../../src/domain/statechart/declare-activity.ts';
import { PARENT, SELF } from '../../../src/domain/statechart/effect.ts';
import { activityDone, activityFailed, foldable, timerFired } from '../../../src/domain/statechart/fold.ts';
import { firstNonJson } from '../../../src/domain/statechart/json.ts';
import { outcomeOf } from '../../../src/domain/statechart/snapshot.ts';
import { expectFoldEqualsInterpreter } from '../../support/expect-fold-equals-interpreter.ts';
import { IMAGE_INPUT, IMAGE_OUTPUTS, imageJob } from '../../support/image-job.ts';

const at = instant(1_700_000_000_000);
const environment = { at, seed: 'run:1' };
const hear = (type: string) => ({ kind: 'event', event: { type } }) as const;

describe('a job', () => {
  const statechart = foldable(imageJob);
  const started = statechart.start(IMAGE_INPUT, environment);
  const { download } = started.snapshot.activities!;

  it('asks for its first activity and arms its timers, and does nothing itself', () => {
    expect(started.snapshot.value).toEqual({ running: { downloading: 'trying' } });
    expect(started.effects).toEqual([
      { type: 'startActivity', id: 'download', visit: download!.visit, src: 'download', input: { url: IMAGE_INPUT.url, attempt: 1 } },
      expect.objectContaining({ type: 'armTimer', id: 'xstate.after.jobTimeoutMs.image.running', dueAt: at + 3_600_000 }),
      expect.objectContaining({ type: 'armTimer', id: 'xstate.after.stepTimeoutMs.image.running.downloading.trying', dueAt: at + 30_000 }),
    ]);
  });

  it('goes on with what the activity returned', () => {
    const step = statechart.step(started.snapshot, activityDone('download', download!.visit, IMAGE_OUTPUTS.download), environment)!;
    expect(step.snapshot.value).toEqual({ running: { resizing: 'trying' } });
    expect(step.effects.map(({ type }) => type)).toEqual(['startActivity', 'armTimer', 'cancelTimer']);
    expect(step.snapshot.activities).toEqual({
      resize: { src: 'resize', visit: expect.any(Number), input: { path: '/tmp/a.png', attempt: 1 } },
    });
  });

  it('stops what runs when it is cancelled, and keeps nothing outstanding', () => {
    const step = statechart.step(started.snapshot, hear('cancel'), environment)!;
    expect(outcomeOf(step.snapshot)).toBe('cancelled');
    expect(step.snapshot).not.toHaveProperty('activities');
    expect(step.snapshot).not.toHaveProperty('timers');
    expect(step.effects).toContainEqual({ type: 'stopActivity', id: 'download', visit: download!.visit, src: 'download' });
    expect(step.effects.filter(({ type }) => type === 'cancelTimer')).toHaveLength(2);
  });

  it('fails at once on an error that is not worth retrying', () => {
    const error = { name: 'TerminalError', message: 'gone', retryable: false };
    const step = statechart.step(started.snapshot, activityFailed('download', download!.visit, error), environment)!;
    expect(outcomeOf(step.snapshot)).toBe('failed');
    expect(step.snapshot.output).toEqual({ lastError: error });
  });

  it('evaluates every step twice to the same bytes, and leaves what it was given alone', () => {
    const before = JSON.stringify(started);
    const once = statechart.step(started.snapshot, hear('cancel'), environment);
    expect(JSON.stringify(statechart.step(started.snapshot, hear('cancel'), environment))).toBe(JSON.stringify(once));
    expect(JSON.stringify(started)).toBe(before);
    expect(firstNonJson(once)).toBeUndefined();
  });

  it('says what it can hear now', () => {
    expect(statechart.can(started.snapshot, { type: 'pause' }, environment)).toBe(true);
    expect(statechart.can(started.snapshot, { type: 'unheard' }, environment)).toBe(false);
  });

  it('folds to the states of the interpreter, whatever happens', () => {
    const reached = expectFoldEqualsInterpreter(imageJob, IMAGE_INPUT, {
      events: [{ type: 'pause' }, { type: 'resume' }, { type: 'cancel' }],
      seeds: 60,
      outputs: IMAGE_OUTPUTS,
    });
    for (const outcome of ['succeeded', 'failed', 'cancelled', 'expired']) expect(reached).toContain(JSON.stringify(outcome));
  });

  it('is evaluated from memory, its start and every step of it', () => {
    const fresh = foldable(imageJob);
    let { snapshot } = fresh.start(IMAGE_INPUT, environment);
    expect(fresh.stats).toEqual({ memoised: 1, plain: 0 });
    for (const id of ['download', 'resize', 'upload']) {
      snapshot = fresh.step(snapshot, activityDone(id, snapshot.activities![id]!.visit, IMAGE_OUTPUTS[id]), environment)!.snapshot;
    }
    expect(outcomeOf(snapshot)).toBe('succeeded');
    expect(fresh.stats).toEqual({ memoised: 4, plain: 0 });
  });
});

describe("when the machine's own code throws, nothing is decided", () => {
  const boom = (): never => {
    throw new RangeError('bug');
  };
  const failsOn = (what: 'start' | 'context' | 'assign' | 'guard', memoise = true) =>
    foldable(
      setup({ actions: { fail: assign(boom) }, guards: { fail: boom } }).createMachine({
        id: 'buggy',
        context: what === 'context' ? boom : {},
        ...(what === 'start' ? { entry: 'fail' } : {}),
        on: { go: what === 'guard' ? { guard: 'fail' } : { actions: 'fail' } },
      }),
      { memoise },
    );

  it.each([
    ['start', true],
    ['start', false],
    ['context', true],
    ['context', false],
  ] as const)('on start, in its %s (memoised: %s)', (what, memoise) => {
    expect(() => failsOn(what, memoise).start(undefined, environment)).toThrow(
      expect.objectContaining({ code: 'STATECHART_CODE', machineId: 'buggy', hearing: 'start', cause: new RangeError('bug') }),
    );
  });

  it.each(['assign', 'guard'] as const)('in an %s', (what) => {
    const statechart = failsOn(what);
    const { snapshot } = statechart.start(undefined, environment);
    expect(() => statechart.step(snapshot, hear('go'), environment)).toThrow(StatechartCodeError);
    expect(() => statechart.step(snapshot, hear('go'), environment)).toThrow('bug');
  });

  it('but an error of an activity that no transition takes ends the run, as XState has it', () => {
    const statechart = foldable(
      setup({ actors: { work: activity<void, void>() } }).createMachine({
        id: 'careless',
        initial: 'working',
        states: { working: { invoke: { id: 'work', src: 'work' }, after: { 10: 'late' } }, late: {} },
      }),
    );
    const { snapshot } = statechart.start(undefined, environment);
    const step = statechart.step(
      snapshot,
      activityFailed('work', snapshot.activities!.work!.visit, { name: 'E', message: 'no' }),
      environment,
    )!;
    expect(step.snapshot).toEqual({ value: 'working', context: {}, status: 'error', error: { name: 'E', message: 'no' }, visits: 2 });
    expect(step.effects).toEqual([{ type: 'cancelTimer', id: 'xstate.after.10.careless.working', visit: expect.any(Number) }]);
    expect(outcomeOf(step.snapshot)).toBe('failed');
  });
});

describe('what no log can hold is refused', () => {
  it.each([Number.NaN, Number.POSITIVE_INFINITY])('a delay of %s', (delay) => {
    const machine = setup({ delays: { odd: () => delay } }).createMachine({
      id: 'odd',
      initial: 'a',
      states: { a: { after: { odd: 'b' } }, b: {} },
    });
    expect(() => foldable(machine).start(undefined, environment)).toThrow(`the delay of timer 'xstate.after.odd.odd.a' is ${delay}`);
  });

  it.each([true, false])('an actor spawned inside context (memoised: %s)', (memoise) => {
    const machine = setup({ actors: { work: activity<void, void>() } }).createMachine({
      id: 'hidden',
      context: ({ spawn }) => ({ child: spawn('work') as unknown }),
    });
    expect(() => foldable(machine, { memoise }).start(undefined, environment)).toThrow(/spawnChild\(\) or invoke/);
  });

  it('an actor spawned inside assign', () => {
    const machine = setup({ actors: { work: activity<void, void>() } }).createMachine({
      id: 'hidden',
      context: {},
      on: { go: { actions: assign({ child: ({ spawn }) => spawn('work') as unknown }) } },
    });
    for (const memoise of [true, false]) {
      const statechart = foldable(machine, { memoise });
      const { snapshot } = statechart.start(undefined, environment);
      expect(() => statechart.step(snapshot, hear('go'), environment)).toThrow(/spawnChild\(\) or invoke/);
    }
  });

  it('a snapshot of another definition', () => {
    const { snapshot } = foldable(imageJob).start(IMAGE_INPUT, environment);
    const other = foldable(setup({}).createMachine({ id: 'other', initial: 'a', states: { a: {} } }));
    expect(() => other.step(snapshot, hear('go'), environment)).toThrow(SnapshotMismatchError);
  });
});

describe('effects', () => {
  const machine = setup({
    types: { events: {} as { type: 'talk' } | { type: 'later' } | { type: 'ping' } },
    actors: { work: activity<void, void>() },
    actions: { paint: () => {} },
  }).createMachine({
    id: 'talker',
    initial: 'on',
    states: {
      on: {
        invoke: { id: 'work', src: 'work' },
        on: {
          talk: {
            actions: [
              emit({ type: 'said' }),
              log('hello', 'greeting'),
              { type: 'paint', params: { colour: 'red' } },
              sendTo('work', { type: 'ping' } as never),
              sendTo(({ self }) => self, { type: 'ping' }),
              sendParent({ type: 'ping' }),
              raise({ type: 'ping' }, { delay: 1500, id: 'ping-me' }),
            ],
          },
          later: { actions: sendTo('work', { type: 'ping' } as never, { delay: 20, id: 'ping-work' }) },
          ping: { actions: spawnChild('work', { id: 'helper' }) },
        },
      },
    },
  });

  it.each([true, false])('come in the order of starts, timers, messages (memoised: %s)', (memoise) => {
    const statechart = foldable(machine, { memoise });
    const { snapshot } = statechart.start(undefined, environment);
    const visit = snapshot.activities!.work!.visit;
    expect(statechart.step(snapshot, hear('talk'), environment)!.effects).toEqual([
      { type: 'armTimer', id: 'ping-me', visit: snapshot.visits + 1, dueAt: at + 1500, event: { type: 'ping' } },
      { type: 'emit', event: { type: 'said' } },
      { type: 'log', label: 'greeting', value: 'hello' },
      { type: 'runAction', name: 'paint', params: { colour: 'red' }, event: { type: 'talk' } },
      { type: 'send', to: 'work', visit, event: { type: 'ping' } },
      { type: 'send', to: SELF, event: { type: 'ping' } },
      { type: 'send', to: PARENT, event: { type: 'ping' } },
    ]);
  });

  it('forward a delayed message only to the visit it was meant for', () => {
    const statechart = foldable(machine);
    const begun = statechart.start(undefined, environment).snapshot;
    const waiting = statechart.step(begun, hear('later'), environment)!.snapshot;
    const visit = begun.activities!.work!.visit;
    const due = timerFired('ping-work', waiting.timers!['ping-work']!.visit, waiting.timers!['ping-work']!);
    expect(waiting.timers!['ping-work']).toMatchObject({ to: 'work', toVisit: visit });

    const forwarded = statechart.step(waiting, due, environment)!;
    expect(forwarded.effects).toEqual([{ type: 'send', to: 'work', visit, event: { type: 'ping' } }]);
    expect(forwarded.snapshot).toEqual({ ...begun, visits: waiting.visits });
    expect(statechart.step(forwarded.snapshot, due, environment)).toBeUndefined();

    const answered = statechart.step(waiting, activityDone('work', visit, undefined), environment)!.snapshot;
    expect(statechart.step(answered, due, environment)!.effects).toEqual([]);
  });
});
