/** Walks every path of every machine: of the registered ones, and of those that other tests rely on. */
import { describe, expect, it } from 'vitest';
import { jobTypes } from '../../machines/index.ts';
import { resolvePolicy } from '../../src/domain/run-policy.ts';
import { differencesAlong } from '../support/differential.ts';
import { IMAGE_INPUT, IMAGE_OUTPUTS, imageJob } from '../support/image-job.ts';
import { stepsJob } from '../support/jobs.ts';
import { modelOf, type Walkable } from '../support/model.ts';
import {
  canBeCancelled,
  endlessStates,
  hopelessStates,
  lostTimers,
  stuckStates,
  uncancellableStates,
  unenteredStates,
  unreachedOutcomes,
  untakenFailures,
  untakenTransitions,
} from '../support/model-gaps.ts';
import { threeSteps } from '../support/three-steps.ts';
import { sampleOf } from './samples.ts';

const registered = jobTypes.map((jobType): [string, Walkable] => {
  const { id, machine, policy } = jobType;
  return [id, { machine, policy, ...sampleOf(jobType) }];
});

const defined = threeSteps({ retry: { maxAttempts: 2 }, uploads: 2 }).jobType;
const ofTests: [string, Walkable][] = [
  [
    'a job made of steps',
    {
      machine: defined.machine,
      policy: defined.policy,
      input: defined.input.parse({}),
      outputs: { download: [{ path: '/tmp/a.png' }], resize: [{ path: '/tmp/a-small.png', widths: [640] }], upload: [{ at: 'cdn' }] },
      project: ({ attempts, pauseRequested, unavailable }: DefinedContext) => [
        Object.values(attempts).at(-1), // of the step that goes on
        pauseRequested,
        unavailable > 0,
      ],
    },
  ],
  [
    'a job written by hand',
    {
      machine: imageJob,
      input: IMAGE_INPUT,
      outputs: Object.fromEntries(Object.entries(IMAGE_OUTPUTS).map(([src, output]) => [src, [output]])),
      project: ({ attempt, pauseRequested }: { attempt: number; pauseRequested: boolean }) => [attempt, pauseRequested],
    },
  ],
  [
    'a job of one activity for all steps',
    { machine: stepsJob('walked', ['first', 'second'], async () => null).jobType.machine, input: {}, outputs: { work: ['done'] } },
  ],
];

interface DefinedContext {
  readonly attempts: Readonly<Record<string, number>>;
  readonly pauseRequested: boolean;
  readonly unavailable: number;
}

describe.each([...registered, ...ofTests])('%s', (_, walkable) => {
  const model = modelOf(walkable);
  const { states, edges, paths } = model;

  it(`folds as XState's own interpreter along ${paths.length} paths, over ${edges.length} edges between ${states.length} states`, () => {
    const alike = { machine: walkable.machine, input: walkable.input, policy: resolvePolicy(walkable.policy) };
    for (const path of paths) expect(differencesAlong(alike, path), JSON.stringify(path)).toEqual([]);
  }, 120_000);

  it('can have each outcome', () => expect(unreachedOutcomes(model)).toEqual([]));
  it('can enter each state', () => expect(unenteredStates(model)).toEqual([]));
  it('can take each transition', () => expect(untakenTransitions(model)).toEqual([]));
  it('has a state for each failure', () => expect(untakenFailures(model)).toEqual([]));
  it('never gets stuck', () => expect(stuckStates(model)).toEqual([]));
  it('can come to an end from each state', () => expect(endlessStates(model)).toEqual([]));
  it('can still succeed from each state', () => expect(hopelessStates(model)).toEqual([]));
  it('goes where the state says when a timer fires', () => expect(lostTimers(model)).toEqual([]));
  if (canBeCancelled(model)) it('can be cancelled in each state', () => expect(uncancellableStates(model)).toEqual([]));
});
