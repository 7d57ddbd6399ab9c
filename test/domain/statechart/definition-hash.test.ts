import { describe, expect, it } from 'vitest';
import { createMachine } from 'xstate';
import { activity } from '../../../src/domain/statechart/declare-activity.ts';
import { definitionHash } from '../../../src/domain/statechart/definition-hash.ts';
import { foldable } from '../../../src/domain/statechart/fold.ts';
import { machineShape } from '../../../src/domain/statechart/shape.ts';
import { imageJob } from '../../support/image-job.ts';

interface Parts {
  readonly invokeId?: string;
  readonly src?: string;
  readonly delay?: string;
  readonly target?: string;
  readonly guard?: string;
  readonly action?: string;
  readonly version?: string;
  readonly description?: string;
  readonly code?: () => boolean;
  readonly remembered?: string;
}

const machine = ({
  invokeId = 'scan',
  src = 'scan',
  delay = 'soonMs',
  target = 'end',
  guard = 'ready',
  action = 'note',
  ...rest
}: Parts = {}) =>
  createMachine(
    {
      id: 'hashed',
      ...(rest.version === undefined ? {} : { version: rest.version }),
      ...(rest.description === undefined ? {} : { description: rest.description }),
      initial: 'work',
      states: {
        work: {
          invoke: { id: invokeId, src, onDone: 'end', onError: 'end' },
          after: { [delay]: 'end' },
          on: { go: { guard, target, actions: action } },
        },
        end: { type: 'final' },
        other: { initial: 'one', states: { one: {}, two: {}, before: { type: 'history', target: rest.remembered ?? 'one' } } },
      },
    } as never,
    { guards: { ready: rest.code ?? (() => true), able: () => true }, actors: { scan: activity(), look: activity() } } as never,
  );

describe('the definition hash', () => {
  it('is the same for the same structure, whatever its code and words', () => {
    expect(definitionHash(machine())).toBe(definitionHash(machine()));
    expect(definitionHash(machine({ code: () => false }))).toBe(definitionHash(machine()));
    expect(definitionHash(machine({ description: 'Reads better.' }))).toBe(definitionHash(machine()));
    expect(foldable(machine()).definitionHash).toBe(definitionHash(machine()));
  });

  it.each<[string, Parts]>([
    ['the id of an activity', { invokeId: 'renamed' }],
    ['the code an activity names', { src: 'look' }],
    ['a delay', { delay: 'laterMs' }],
    ['a target', { target: 'other' }],
    ['a guard', { guard: 'able' }],
    ['an action', { action: 'forget' }],
    ['the version', { version: '2' }],
    ['what a history state enters that remembers nothing', { remembered: 'two' }],
  ])('changes with %s', (_, parts) => {
    expect(definitionHash(machine(parts))).not.toBe(definitionHash(machine()));
  });

  it('is short and safe to write anywhere', () => {
    expect(definitionHash(machine())).toMatch(/^[\w-]{16}$/);
  });
});

describe('the shape of a machine', () => {
  it('is plain data, in the words people use', () => {
    const shape = machineShape(imageJob);
    expect(JSON.parse(JSON.stringify(shape))).toEqual(shape);
    const running = shape.root.states!.find(({ key }) => key === 'running')!;
    expect(running).toMatchObject({ id: 'image.running', type: 'compound', initial: 'image.running.downloading' });
    expect(running.edges).toEqual([
      { kind: 'event', on: 'cancel', targets: ['image.cancelled'] },
      { kind: 'event', on: 'pause', targets: [], actions: ['requestPause'] },
      { kind: 'event', on: 'resume', targets: [], actions: ['clearPause'] },
      { kind: 'stateDone', on: '', targets: ['image.succeeded'] },
      { kind: 'timer', on: 'jobTimeoutMs', targets: ['image.expired'] },
    ]);
  });

  it('tells activities, guards and eventless transitions', () => {
    const downloading = machineShape(imageJob).root.states![0]!.states![0]!;
    expect(downloading.states![0]!.edges).toEqual([
      { kind: 'always', on: '', guard: 'notPaused', targets: ['image.running.downloading.trying'] },
    ]);
    const trying = downloading.states![1]!;
    expect(trying).toMatchObject({ entry: ['countAttempt'], invoke: [{ id: 'download', src: 'download' }] });
    expect(trying.edges!.map(({ kind, on, guard }) => [kind, on, guard])).toEqual([
      ['activityDone', 'download', undefined],
      ['activityFailed', 'download', 'canRetry'],
      ['activityFailed', 'download', undefined],
      ['timer', 'stepTimeoutMs', 'canRetry'],
      ['timer', 'stepTimeoutMs', undefined],
    ]);
  });
});
