/** Jobs that do nothing: what is left is what every run costs. One decision to start, then one a step. */
import { type AnyStateMachine, setup } from 'xstate';
import { z } from 'zod';
import type { Activities } from '../../src/domain/activity.ts';
import type { JobType } from '../../src/domain/job-type.ts';
import { activity } from '../../src/domain/statechart/declare-activity.ts';

export const noOpActivities: Activities = { nothing: () => Promise.resolve(null) };

function noOp(id: string, steps: readonly string[]): JobType {
  const next = (index: number) => steps[index + 1] ?? 'succeeded';
  const states = steps.map((step, index) => [
    step,
    { invoke: { id: step, src: 'nothing' as const, onDone: next(index), onError: 'failed' } },
  ]);
  const machine: AnyStateMachine = setup({ actors: { nothing: activity<undefined, null>() } }).createMachine({
    id,
    initial: steps[0]!,
    options: { maxIterations: 100 },
    states: { ...Object.fromEntries(states), succeeded: { type: 'final' }, failed: { type: 'final' } },
  });
  return { id, summary: 'does nothing', machine, input: z.strictObject({}), concurrency: 10_000 };
}

export const oneStep = noOp('one-step', ['working']);
export const threeStep = noOp('three-step', ['first', 'second', 'third']);
