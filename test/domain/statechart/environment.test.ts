import { describe, expect, it } from 'vitest';
import { assign, createMachine, setup } from 'xstate';
import { StatechartCodeError } from '../../../src/domain/errors.ts';
import { instant } from '../../../src/domain/ids.ts';
import { resolvePolicy } from '../../../src/domain/run-policy.ts';
import { now, policy, random, rewindRandom, withEnvironment } from '../../../src/domain/statechart/environment.ts';
import { foldable } from '../../../src/domain/statechart/fold.ts';
import { forbidAmbient } from '../../support/forbid-ambient.ts';

const environment = { at: instant(1234), seed: 'run:1' };
const threeNumbers = () => [random(), random(), random()];

describe('the environment of a transition', () => {
  it('answers with the instant it was given', () => {
    expect(withEnvironment(environment, now)).toBe(1234);
  });

  it('gives the same numbers for the same seed, and others for another', () => {
    const numbers = withEnvironment(environment, threeNumbers);
    expect(withEnvironment(environment, threeNumbers)).toEqual(numbers);
    expect(withEnvironment({ ...environment, seed: 'run:2' }, threeNumbers)).not.toEqual(numbers);
    expect(new Set(numbers).size).toBe(3);
    for (const number of numbers) expect(number).toSatisfy((x: number) => x >= 0 && x < 1);
  });

  it('starts the numbers again when a transition is evaluated a second time', () => {
    const [first, second] = withEnvironment(environment, () => {
      const once = threeNumbers();
      rewindRandom();
      return [once, threeNumbers()];
    });
    expect(second).toEqual(first);
  });

  it('exists only inside of one, also after an exception', () => {
    const boom = () => {
      throw new Error('boom');
    };
    expect(() => withEnvironment(environment, boom)).toThrow('boom');
    expect(() => now()).toThrow(TypeError);
    expect(() => random()).toThrow(TypeError);
  });

  it('nests: the outer one is back afterwards', () => {
    const seen = withEnvironment(environment, () => [withEnvironment({ at: instant(99), seed: 'x' }, now), now()]);
    expect(seen).toEqual([99, 1234]);
  });
});

describe('the policy of a run', () => {
  const keeps = (during: 'start' | 'step') =>
    setup({ types: { context: {} as { kept: unknown } }, actions: { keep: assign({ kept: () => policy() }) } }).createMachine({
      id: 'keeps',
      context: () => ({ kept: during === 'start' ? policy() : null }),
      on: { keep: { actions: 'keep' } },
    });

  it('is there while the run starts', () => {
    const given = resolvePolicy({ timeoutMs: 5 });
    expect(foldable(keeps('start')).start(undefined, { ...environment, policy: given }).snapshot.context).toEqual({ kept: given });
  });

  it('is not there later, nor outside of a run', () => {
    const statechart = foldable(keeps('step'));
    const { snapshot } = statechart.start(undefined, { ...environment, policy: resolvePolicy() });
    const later = () => statechart.step(snapshot, { kind: 'event', event: { type: 'keep' } }, environment);
    expect(later).toThrow(/policy\(\) works only while a run starts/);
    expect(() => policy()).toThrow(TypeError);
  });
});

/** Two regions hear GO; with eventless transitions behind it, the memoised evaluation gives up half way and XState does it all again. */
const dice = (eventless: boolean) =>
  createMachine({
    id: 'dice',
    type: 'parallel',
    context: { rolled: [] as number[], at: 0 },
    states: {
      left: {
        initial: 'a',
        states: {
          a: { on: { go: { target: 'b', actions: assign({ rolled: ({ context }) => [...context.rolled, random()], at: () => now() }) } } },
          b: { ...(eventless ? { always: 'c' } : {}) },
          c: {},
        },
      },
      right: { initial: 'a', states: { a: { on: { go: 'b' } }, b: { ...(eventless ? { always: 'c' } : {}) }, c: {} } },
    },
  });

describe('a transition evaluated twice', () => {
  it.each([false, true])('rolls the dice once (falling back: %s)', (fallsBack) => {
    const play = (memoise: boolean) => {
      const statechart = foldable(dice(fallsBack), { memoise, guardCode: forbidAmbient });
      const started = statechart.start(undefined, environment);
      const step = statechart.step(started.snapshot, { kind: 'event', event: { type: 'go' } }, environment);
      return { snapshot: step!.snapshot, stats: statechart.stats };
    };
    const [plain, memoised] = [play(false), play(true)];
    expect(plain.snapshot.context).toMatchObject({ rolled: [expect.any(Number)], at: 1234 });
    expect(JSON.stringify(memoised.snapshot)).toBe(JSON.stringify(plain.snapshot));
    expect(memoised.stats).toEqual(fallsBack ? { memoised: 1, plain: 1 } : { memoised: 2, plain: 0 });
  });
});

describe('a start evaluated twice', () => {
  it.each([false, true])('rolls the dice once (falling back: %s)', (fallsBack) => {
    const region = { initial: 'a', states: { a: { ...(fallsBack ? { always: 'b' } : {}) }, b: {} } };
    const machine = createMachine({
      id: 'dice',
      type: 'parallel',
      context: () => ({ rolled: [random()] }),
      entry: assign({ rolled: ({ context }) => [...context.rolled, random()] }),
      states: { left: region, right: region },
    });
    const start = (memoise: boolean) => {
      const statechart = foldable(machine, { memoise, guardCode: forbidAmbient });
      return { step: statechart.start(undefined, environment), stats: statechart.stats };
    };
    const [plain, memoised] = [start(false), start(true)];
    expect(plain.step.snapshot.context).toEqual({ rolled: [expect.any(Number), expect.any(Number)] });
    expect(JSON.stringify(memoised.step)).toBe(JSON.stringify(plain.step));
    expect(memoised.stats).toEqual(fallsBack ? { memoised: 0, plain: 1 } : { memoised: 1, plain: 0 });
  });
});

describe('hidden time and randomness', () => {
  it.each([
    ['Date.now()', () => Date.now()],
    ['new Date()', () => String(new Date())],
    ['Math.random()', () => Math.random()],
    ['performance.now()', () => performance.now()],
    ['crypto.randomUUID()', () => crypto.randomUUID()],
  ])('%s is found in tests', (name, read) => {
    const machine = setup({ types: { context: {} as { value: unknown } } }).createMachine({
      id: 'leaky',
      context: () => ({ value: read() }),
    });
    const start = () => foldable(machine, { guardCode: forbidAmbient }).start(undefined, environment);
    expect(start).toThrow(StatechartCodeError);
    expect(start).toThrow(name);
    expect(read).not.toThrow();
  });
});
