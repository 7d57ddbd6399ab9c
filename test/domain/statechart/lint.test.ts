import { describe, expect, it } from 'vitest';
import {
  type AnyStateMachine,
  and,
  assign,
  createMachine,
  emit,
  enqueueActions,
  fromCallback,
  fromPromise,
  raise,
  sendParent,
  sendTo,
  spawnChild,
} from 'xstate';
import { activity } from '../../../src/domain/statechart/declare-activity.ts';
import { type Finding, lint, lintForHost } from '../../../src/domain/statechart/lint.ts';
import { imageJob } from '../../support/image-job.ts';

const child = createMachine({ id: 'child' });
const IMPLEMENTATIONS = {
  actions: { count: assign({}), paint: () => {}, delegate: spawnChild('scan' as never, { id: 'scanner' } as never) },
  guards: { ready: () => true },
  delays: { soonMs: 5 },
  actors: { scan: activity(), child, listen: fromCallback(() => {}), promise: fromPromise(async () => 1) },
};
const OPTIONS = { options: { maxIterations: 100 } };
const machine = (config: object): AnyStateMachine =>
  createMachine({ id: 'm', ...OPTIONS, ...config } as never, IMPLEMENTATIONS as never) as AnyStateMachine;
/** A machine with one state that hears `go`. */
const onGo = (transition: unknown) => machine({ initial: 'a', states: { a: { on: { go: transition } }, b: {} } });
const inState = (config: object) => machine({ initial: 'a', states: { a: config, b: {} } });
const invoking = (invoke: object) => inState({ invoke: { id: 'work', onError: 'b', ...invoke } });
const rules = (findings: Finding[]) => findings.map(({ level, rule, at }) => `${level} ${rule} at ${at}`);

describe('lint', () => {
  it.each<[string, AnyStateMachine]>([
    ['error machine-needs-id at (machine)', createMachine(OPTIONS as never)],
    ['error inline-action at m.a on go', onGo({ actions: () => {} })],
    ['error inline-action at m.a entry', inState({ entry: () => {} })],
    ['error inline-action at m.a exit', inState({ exit: () => {} })],
    ['error inline-action at m initial', machine({ initial: { target: 'a', actions: () => {} }, states: { a: {} } })],
    ['error action-missing at m.a on go', onGo({ actions: 'forgotten' })],
    ['error guard-missing at m.a on go', onGo({ guard: 'forgotten', target: 'b' })],
    ['error guard-missing at m.a on go', onGo({ guard: and(['ready', 'forgotten']), target: 'b' })],
    ['error guard-missing at m.a always', inState({ always: { guard: 'forgotten', target: 'b' } })],
    ['error delay-missing at m.a', inState({ after: { forgotten: 'b' } })],
    ['error delay-missing at m.a on go', onGo({ actions: raise({ type: 'x' }, { delay: 'forgotten', id: 'x' } as never) })],
    ['error spawn-needs-id at m.a on go', onGo({ actions: spawnChild('scan' as never) })],
    ['error inline-actor at m.a on go', onGo({ actions: spawnChild(activity(), { id: 'x' }) })],
    ['error inline-actor at m.a', invoking({ src: activity() })],
    ['error actor-missing at m.a', invoking({ src: 'forgotten' })],
    ['error actor-kind at m.a', invoking({ src: 'listen' })],
    ['error actor-kind at m.a', invoking({ src: 'promise' })],
    ['error on-snapshot at m.a', invoking({ src: 'child', onSnapshot: {} })],
    ['warning invoke-without-on-error at m.a', inState({ invoke: { id: 'work', src: 'scan' } })],
    ['warning numeric-delay at m.a', inState({ after: { 1000: 'b' } })],
    ['warning inline-guard at m.a on go', onGo({ guard: () => true, target: 'b' })],
    ['warning delayed-event-needs-id at m.a on go', onGo({ actions: raise({ type: 'x' }, { delay: 5 }) })],
    ['warning wildcard at m.a', inState({ on: { '*': 'b' } })],
    ['warning no-max-iterations at m', machine({ options: undefined })],
    [
      'warning history-with-parallel at m.p.h',
      machine({ initial: 'p', states: { p: { type: 'parallel', states: { x: {}, h: { type: 'history' } } } } }),
    ],
    ['warning dot-in-key at m.a.b', machine({ initial: 'a.b', states: { 'a.b': {} } })],
  ])('%s', (rule, linted) => {
    expect(rules(lint(linted))).toEqual([rule]);
  });

  it('wants an id of its own for an invoke: XState makes one from the position', () => {
    expect(rules(lint(inState({ invoke: { src: 'scan', onError: 'b' } })))).toEqual(['error invoke-needs-id at m.a']);
    expect(
      rules(
        lint(
          inState({
            invoke: [
              { id: 'one', src: 'scan', onError: 'b' },
              { src: 'scan', onError: 'b' },
            ],
          }),
        ),
      ),
    ).toEqual(['error invoke-needs-id at m.a']);
  });

  it('says what to do instead', () => {
    const [finding] = lint(inState({ after: { 1000: 'b' } }));
    expect(finding!.detail).toContain('name the delay');
  });

  it('has nothing against a proper job', () => {
    expect(lint(imageJob)).toEqual([]);
    expect(lintForHost(imageJob)).toEqual([]);
    expect(
      lint(onGo({ guard: 'ready', target: 'b', actions: ['count', 'delegate', { type: 'paint', params: { colour: 'red' } }] })),
    ).toEqual([]);
  });
});

describe('lintForHost', () => {
  it.each<[string, AnyStateMachine]>([
    ['error custom-action at m.a on go', onGo({ actions: 'paint' })],
    ['error custom-action at m.a entry', inState({ entry: { type: 'paint', params: {} } })],
    ['error emit at m.a on go', onGo({ actions: emit({ type: 'x' } as never) })],
    ['error send-to at m.a on go', onGo({ actions: sendTo('work', { type: 'x' } as never) })],
    ['error send-to at m.a on go', onGo({ actions: sendParent({ type: 'x' } as never) })],
    ['error child-machine at m.a', invoking({ src: 'child' })],
    ['error child-machine at m.a on go', onGo({ actions: spawnChild('child' as never, { id: 'x' } as never) })],
    ['warning enqueue-actions at m.a on go', onGo({ actions: enqueueActions(() => {}) })],
  ])('%s', (rule, linted) => {
    expect(rules(lintForHost(linted))).toEqual([rule]);
  });

  it('lets the statechart keep its own: assign, raise, cancel and activities', () => {
    expect(lintForHost(onGo({ actions: ['count', 'delegate', raise({ type: 'x' } as never)] }))).toEqual([]);
  });
});
