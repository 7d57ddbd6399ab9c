import { describe, expect, it } from 'vitest';
import { setup } from 'xstate';
import { ReservedEventError } from '../../../src/domain/errors.ts';
import { instant } from '../../../src/domain/ids.ts';
import { activity } from '../../../src/domain/statechart/declare-activity.ts';
import { activityDone, activityFailed, foldable, type Stimulus, timerFired } from '../../../src/domain/statechart/fold.ts';
import { outcomeOf, type Snapshot } from '../../../src/domain/statechart/snapshot.ts';
import { IMAGE_INPUT, IMAGE_OUTPUTS, imageJob } from '../../support/image-job.ts';

const statechart = foldable(imageJob);
const environment = { at: instant(1_700_000_000_000), seed: 'run' };
const started = statechart.start(IMAGE_INPUT, environment).snapshot;
const hear = (type: string): Stimulus => ({ kind: 'event', event: { type } });
const step = (snapshot: Snapshot, stimulus: Stimulus) => statechart.step(snapshot, stimulus, environment);
const after = (snapshot: Snapshot, ...stimuli: Stimulus[]) => stimuli.reduce((current, next) => step(current, next)!.snapshot, snapshot);

const BACKOFF = 'xstate.after.backoffMs.image.running.downloading.backingOff';
const STEP_TIMEOUT = 'xstate.after.stepTimeoutMs.image.running.downloading.trying';
const failed = (snapshot: Snapshot) => activityFailed('download', snapshot.activities!.download!.visit, { name: 'E', message: 'no' });
const done = (snapshot: Snapshot) => activityDone('download', snapshot.activities!.download!.visit, IMAGE_OUTPUTS.download);
const fired = (snapshot: Snapshot, id: string) => timerFired(id, snapshot.timers![id]!.visit, snapshot.timers![id]!);

const backingOff = after(started, failed(started));
const secondAttempt = after(backingOff, fired(backingOff, BACKOFF));

describe('what belongs to an earlier visit is refused', () => {
  it('gives each start and each arming a visit of its own', () => {
    const visits = [started, backingOff, secondAttempt].flatMap(({ activities = {}, timers = {} }) =>
      [...Object.entries(activities), ...Object.entries(timers)].map(([id, { visit }]) => `${id} ${visit}`),
    );
    const distinct = new Set(visits);
    expect(new Set([...distinct].map((visit) => visit.split(' ')[1])).size).toBe(distinct.size);
    expect(secondAttempt.visits).toBe(Math.max(...[...distinct].map((visit) => Number(visit.split(' ')[1]))));
  });

  it('a late result of the attempt that was given up', () => {
    expect(secondAttempt.activities!.download!.visit).not.toBe(started.activities!.download!.visit);
    expect(step(secondAttempt, done(started))).toBeUndefined();
    expect(step(secondAttempt, failed(started))).toBeUndefined();
    expect(step(secondAttempt, done(secondAttempt))).toBeDefined();
  });

  it('a result between two attempts, when nothing runs', () => {
    expect(backingOff.activities).toBeUndefined();
    expect(step(backingOff, done(started))).toBeUndefined();
  });

  it('the timer of an earlier visit to the same state, though XState gives it the same id', () => {
    expect(secondAttempt.timers![STEP_TIMEOUT]!.visit).not.toBe(started.timers![STEP_TIMEOUT]!.visit);
    expect(step(secondAttempt, fired(started, STEP_TIMEOUT))).toBeUndefined();
    expect(step(secondAttempt, fired(secondAttempt, STEP_TIMEOUT))).toBeDefined();
  });

  it('a timer that fires twice', () => {
    expect(step(secondAttempt, fired(backingOff, BACKOFF))).toBeUndefined();
  });

  it('a result that is delivered twice, also while its state stays active', () => {
    const waiting = foldable(
      setup({ actors: { fetch: activity<{ url: string }, number>() } }).createMachine({
        id: 'waiting',
        initial: 'fetching',
        states: { fetching: { invoke: { id: 'fetch', src: 'fetch', input: { url: '' } } } },
      }),
    );
    const { snapshot } = waiting.start(undefined, environment);
    const result = activityDone('fetch', snapshot.activities!.fetch!.visit, 1);
    const accepted = waiting.step(snapshot, result, environment)!.snapshot;
    expect(accepted).toMatchObject({ value: 'fetching', activities: { fetch: { finished: true } } });
    expect(accepted.activities!.fetch).not.toHaveProperty('input');
    expect(waiting.step(accepted, result, environment)).toBeUndefined();
  });
});

describe('what comes after the end is refused', () => {
  const cancelled = after(started, hear('cancel'));

  it('a result after a cancel', () => {
    expect(outcomeOf(cancelled)).toBe('cancelled');
    expect(step(cancelled, done(started))).toBeUndefined();
  });

  it('a timer and an event after a cancel', () => {
    expect(step(cancelled, fired(started, STEP_TIMEOUT))).toBeUndefined();
    expect(step(cancelled, hear('cancel'))).toBeUndefined();
  });

  it("an event that a '*' transition of the root would take", () => {
    const machine = setup({}).createMachine({
      id: 'eager',
      initial: 'over',
      on: { '*': '.again' },
      states: { over: { type: 'final' }, again: {} },
    });
    const eager = foldable(machine);
    const { snapshot } = eager.start(undefined, environment);
    expect(snapshot.status).toBe('done');
    expect(eager.step(snapshot, hear('anything'), environment)).toBeUndefined();
  });
});

describe('events from outside', () => {
  it('that the state does not listen to change nothing', () => {
    expect(step(started, hear('unheard'))).toBeUndefined();
  });

  it.each(['xstate.done.actor.download', 'xstate.error.actor.download', STEP_TIMEOUT, 'xstate.init', 'xstate.stop', '*'])(
    'cannot be of the reserved type %s',
    (type) => {
      expect(() => step(started, hear(type))).toThrow(ReservedEventError);
      expect(statechart.can(started, { type }, environment)).toBe(false);
    },
  );
});
