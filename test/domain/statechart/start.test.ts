import { describe, expect, it } from 'vitest';
import { type AnyStateMachine, createMachine, enqueueActions, raise, sendTo, stateIn } from 'xstate';
import { instant } from '../../../src/domain/ids.ts';
import { activity } from '../../../src/domain/statechart/declare-activity.ts';
import { foldable } from '../../../src/domain/statechart/fold.ts';
import { oneStep, threeStep } from '../../bench/no-op.machines.ts';
import { IMAGE_INPUT, imageJob } from '../../support/image-job.ts';

const environment = { at: instant(1_700_000_000_000), seed: 'run:1' };
const FROM_MEMORY = { memoised: 2, plain: 0 };
const LEFT_TO_XSTATE = { memoised: 0, plain: 2 };

const work = { id: 'work', src: 'work', input: ({ context }: { context: unknown }) => context };
const goingOn = { initial: 'a', states: { a: { always: 'b' }, b: {} } };

function machineOf(config: object): AnyStateMachine {
  const implementations = { actors: { work: activity<unknown, void>() }, actions: { paint: () => {} } };
  return createMachine({ id: 'beginner', ...config } as never, implementations as never);
}

/** Starts it twice from memory, where that is possible, and twice as XState does. */
function start(machine: AnyStateMachine, input: unknown) {
  const twice = (memoise: boolean) => {
    const statechart = foldable(machine, { memoise });
    const decisions = [statechart.start(input, environment), statechart.start(input, environment)];
    return { decisions: decisions.map((decision) => JSON.stringify(decision)), stats: statechart.stats };
  };
  const [memoised, plain] = [twice(true), twice(false)];
  expect(memoised.decisions).toEqual(plain.decisions);
  return memoised.stats;
}

describe('a start from memory equals that of XState', () => {
  it.each<[string, AnyStateMachine, unknown]>([
    ['one step', oneStep.machine, {}],
    ['three steps', threeStep.machine, {}],
    ['retries and timeouts', imageJob, IMAGE_INPUT],
  ])('in a job of %s', (_, machine, input) => {
    expect(start(machine, input)).toEqual(FROM_MEMORY);
  });

  it.each<[string, object, unknown?]>([
    ['no states', { context: { n: 1 } }],
    ['a context made of its input', { context: ({ input }: { input: object }) => ({ made: true, ...input }), invoke: work }, { n: 1 }],
    ['no context', { initial: 'a', states: { a: { invoke: { ...work, input: { n: 1 } } } } }],
    [
      'actions all the way down',
      {
        context: { n: 1 },
        entry: { type: 'paint', params: ({ event }: { event: object }) => event },
        initial: { target: 'a', actions: { type: 'paint', params: { initial: true } } },
        states: {
          a: { entry: [{ type: 'paint', params: { a: true } }, raise({ type: 'go' })], on: { go: 'b' } },
          b: { after: { 10: 'a' } },
        },
      },
      { n: 1 },
    ],
    ['regions', { type: 'parallel', states: { left: { invoke: work }, right: { initial: 'a', states: { a: {} } } } }],
    ['an end at once', { initial: 'a', invoke: work, output: 1, exit: 'paint', states: { a: { type: 'final', entry: 'paint' } } }],
    ['an end after an eventless transition', { initial: 'a', states: { a: { invoke: work, always: 'b' }, b: { type: 'final' } } }],
    [
      'a choice by configuration',
      {
        initial: 'a',
        entry: enqueueActions(({ enqueue, check }) => {
          if (check(stateIn('a'))) enqueue({ type: 'paint' } as never);
          if (check(stateIn('#beginner.a'))) enqueue({ type: 'paint', params: 'entered' } as never);
        }),
        states: { a: {} },
      },
    ],
  ])('with %s', (_, config, input) => {
    expect(start(machineOf(config), input)).toEqual(FROM_MEMORY);
  });

  it.each<[string, object]>([
    ['a message to an actor that starts after it', { invoke: work, entry: sendTo('work', { type: 'ping' } as never) }],
    [
      'an actor that others look up by its system id',
      {
        initial: 'a',
        invoke: { ...work, systemId: 'worker' },
        states: { a: { entry: sendTo(({ system }) => system.get('worker') as never, { type: 'ping' } as never) } },
      },
    ],
    [
      'two regions that both go on',
      {
        type: 'parallel',
        states: { left: goingOn, right: goingOn },
      },
    ],
  ])('which is left to it: %s', (_, config) => {
    expect(start(machineOf(config), undefined)).toEqual(LEFT_TO_XSTATE);
  });

  it('makes the context once', () => {
    let made = 0;
    const machine = machineOf({ context: () => ({ made: ++made }) });
    expect(foldable(machine).start(undefined, environment).snapshot.context).toEqual({ made: 1 });
  });
});
