/** Small job types for tests of the runtime. */
import { type AnyStateMachine, assign, setup } from 'xstate';
import { z } from 'zod';
import type { Activities, Activity } from '../../src/domain/activity.ts';
import type { JobType } from '../../src/domain/job-type.ts';
import { activity } from '../../src/domain/statechart/declare-activity.ts';

export interface TestJob {
  readonly jobType: JobType;
  readonly activities: Activities;
}

export const jobOf = (machine: AnyStateMachine, activities: Activities = {}, more: Partial<JobType> = {}): TestJob => ({
  jobType: { id: machine.id, summary: 'for a test', machine, input: z.object({}).loose(), concurrency: 100, ...more },
  activities,
});

/** `first` → `second` → … → `succeeded`, each by the activity `work`, whose input is the step's name; `failed` if it throws. */
export function stepsJob(id: string, steps: readonly string[], work: Activity<string, unknown>, more: Partial<JobType> = {}): TestJob {
  const stateOf = (step: string, index: number) => ({
    invoke: {
      id: step,
      src: 'work' as const,
      input: step,
      onDone: { target: steps[index + 1] ?? 'succeeded', actions: assign({ last: ({ event }) => event.output }) },
      onError: { target: 'failed', actions: assign({ error: ({ event }) => event.error }) },
    },
  });
  const machine: AnyStateMachine = setup({
    types: { context: {} as { last: unknown; error: unknown } },
    actors: { work: activity<string, unknown>() },
  }).createMachine({
    id,
    context: { last: null, error: null },
    initial: steps[0]!,
    options: { maxIterations: 100 },
    states: {
      ...Object.fromEntries(steps.map((step, index) => [step, stateOf(step, index)])),
      succeeded: { type: 'final' },
      failed: { type: 'final' },
    },
  });
  return jobOf(machine, { work }, more);
}
