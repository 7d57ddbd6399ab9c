/** The job types of the chaos suite. What a run of them does, and how it has to end, stands in its input. */
import { setTimeout as delay } from 'node:timers/promises';
import { type AnyStateMachine, assign, setup } from 'xstate';
import { z } from 'zod';
import type { Activity } from '../../src/domain/activity.ts';
import { defineJob, type StepArguments } from '../../src/domain/define-job.ts';
import { TerminalError } from '../../src/domain/errors.ts';
import { activity } from '../../src/domain/statechart/declare-activity.ts';
import { jobOf, type TestJob } from '../support/jobs.ts';
import type { RecordEffect } from './effects.ts';

const Work = z.strictObject({
  /** How long each activity takes. */
  ms: z.int().default(5),
  /** How many of the first attempts of a step fail, by the name of the step. */
  failures: z.record(z.string(), z.int()).default({}),
  /** Of each timer. */
  delayMs: z.int().default(50),
});
export type Work = z.output<typeof Work>;

/** Of every step; the plan computes from it how a run ends. */
export const MAX_ATTEMPTS = 4;
const RETRY = { maxAttempts: MAX_ATTEMPTS, initialMs: 40, factor: 2, maxMs: 300, jitter: 'full' } as const;
/** Longer than any jump of a clock, so that no jump fails a run. */
const NEVER_MS = 48 * 3_600_000;

/** A wait that is shorter is held. Some of the jobs wait longer, some shorter. */
export const PARK_AFTER_MS = 1_500;

/** Runs at once over all processes. */
export const LIMITS = {
  'chaos-one': 16,
  'chaos-steps': 16,
  'chaos-narrow': 2,
  'chaos-failing': 3,
  'chaos-parallel': 16,
  'chaos-short': 24,
  'chaos-patient': 80,
  'chaos-told': { high: 4, normal: 6, low: 2 },
} as const;
export type ChaosJobType = keyof typeof LIMITS;

export function chaosJobs(record: RecordEffect): TestJob[] {
  return [
    stepwise('chaos-one', ['only'], record),
    stepwise('chaos-steps', ['first', 'second', 'third'], record),
    stepwise('chaos-narrow', ['first', 'second'], record),
    stepwise('chaos-failing', ['first', 'broken'], record),
    regions('chaos-parallel', record),
    delays('chaos-short', record),
    delays('chaos-patient', record),
    told(record),
  ];
}

function recorded<Input, Output>(record: RecordEffect, work: Activity<Input, Output>): Activity<Input, Output> {
  return async (input, context) => {
    record('started', context);
    try {
      const output = await work(input, context);
      record('returned', context);
      return output;
    } catch (error) {
      record(context.signal.aborted ? 'aborted' : 'threw', context);
      throw error;
    }
  };
}

function stepwise(id: ChaosJobType, names: readonly string[], record: RecordEffect): TestJob {
  const step = (name: string) => ({
    output: z.object({ attempt: z.int() }),
    async run({ input: { ms, failures }, attempt }: StepArguments<Work, unknown>, { signal }: { signal: AbortSignal }) {
      await delay(ms, undefined, { signal });
      if (name === 'broken') throw new TerminalError('this step always fails');
      if (attempt <= (failures[name] ?? 0)) throw new Error(`attempt ${attempt} of ${name} fails`);
      return { attempt };
    },
  });
  const [first, ...others] = names;
  const job = defineJob({
    id,
    summary: 'for the chaos suite',
    input: Work,
    concurrency: LIMITS[id],
    retry: RETRY,
    timeoutMs: NEVER_MS,
    stepTimeoutMs: NEVER_MS,
  });
  // Each step adds its name to the type of the builder, which a loop cannot follow.
  let builder = job.step(first! as never, step(first!));
  for (const name of others) builder = builder.step(name as never, step(name)) as typeof builder;
  const { jobType, activities } = builder.build();
  const all = Object.entries(activities).map(([name, work]) => [name, recorded(record, work)]);
  return { jobType, activities: Object.fromEntries(all) };
}

const waiting =
  (record: RecordEffect): Activity<Work, number> =>
  (work, context) =>
    recorded<Work, number>(record, async ({ ms }, { signal, visit }) => {
      await delay(ms, undefined, { signal });
      return visit;
    })(work, context);

interface Beats extends Work {
  readonly beats: number;
  readonly fetched: number | null;
  readonly late: boolean;
}

const BEATS = 3;

/** Two regions side by side: an activity in a race against a timer and another one after a rest, beside a timer that is armed again. */
function regions(id: ChaosJobType, record: RecordEffect): TestJob {
  const machine: AnyStateMachine = setup({
    types: { input: {} as Work, context: {} as Beats },
    actors: { work: activity<Work, number>() },
    delays: {
      beatMs: ({ context }) => context.delayMs,
      raceMs: ({ context }) => context.ms * 3,
      giveUpMs: NEVER_MS,
    },
    guards: { enough: ({ context }) => context.beats >= BEATS },
    actions: { countBeat: assign({ beats: ({ context }) => context.beats + 1 }), markLate: assign({ late: true }) },
  }).createMachine({
    id,
    options: { maxIterations: 100 },
    context: ({ input }) => ({ ...input, beats: 0, fetched: null, late: false }),
    initial: 'working',
    states: {
      working: {
        type: 'parallel',
        after: { giveUpMs: 'failed' },
        onDone: 'joining',
        states: {
          fetching: {
            initial: 'running',
            states: {
              running: {
                invoke: {
                  id: 'fetch',
                  src: 'work',
                  input: ({ context: { ms, failures, delayMs } }) => ({ ms, failures, delayMs }),
                  onDone: { target: 'resting', actions: assign({ fetched: ({ event }) => event.output }) },
                  onError: `#${id}.failed`,
                },
                after: { raceMs: { target: 'resting', actions: 'markLate' } },
              },
              resting: { after: { beatMs: 'again' } },
              again: {
                invoke: {
                  id: 'again',
                  src: 'work',
                  input: ({ context: { ms, failures, delayMs } }) => ({ ms, failures, delayMs }),
                  onDone: 'done',
                  onError: `#${id}.failed`,
                },
              },
              done: { type: 'final' },
            },
          },
          beating: {
            initial: 'on',
            states: {
              on: {
                after: {
                  beatMs: [
                    { guard: 'enough', target: 'done' },
                    { target: 'on', reenter: true, actions: 'countBeat' },
                  ],
                },
              },
              done: { type: 'final' },
            },
          },
        },
      },
      joining: {
        invoke: {
          id: 'join',
          src: 'work',
          input: ({ context: { ms, failures, delayMs } }) => ({ ms, failures, delayMs }),
          onDone: 'succeeded',
          onError: 'failed',
        },
      },
      succeeded: { type: 'final' },
      failed: { type: 'final' },
    },
  });
  return jobOf(machine, { work: waiting(record) }, { input: Work, concurrency: LIMITS[id] });
}

/** Waits, works, waits again, works again. */
function delays(id: ChaosJobType, record: RecordEffect): TestJob {
  const machine: AnyStateMachine = setup({
    types: { input: {} as Work, context: {} as Work },
    actors: { work: activity<Work, number>() },
    delays: { delayMs: ({ context }) => context.delayMs },
  }).createMachine({
    id,
    options: { maxIterations: 100 },
    context: ({ input }) => input,
    initial: 'waiting',
    states: {
      waiting: { after: { delayMs: 'working' } },
      working: { invoke: { id: 'work', src: 'work', input: ({ context }) => context, onDone: 'waitingAgain', onError: 'failed' } },
      waitingAgain: { after: { delayMs: 'workingAgain' } },
      workingAgain: { invoke: { id: 'more', src: 'work', input: ({ context }) => context, onDone: 'succeeded', onError: 'failed' } },
      succeeded: { type: 'final' },
      failed: { type: 'final' },
    },
  });
  return jobOf(machine, { work: waiting(record) }, { input: Work, concurrency: LIMITS[id] });
}

interface Notes extends Work {
  readonly notes: number;
}

/** Waits until it is told to go, or for some time; takes notes all the while, of which one in the midst of its work begins that anew. */
function told(record: RecordEffect): TestJob {
  const id = 'chaos-told';
  const given = ({ context: { ms, failures, delayMs } }: { context: Notes }): Work => ({ ms, failures, delayMs });
  const machine: AnyStateMachine = setup({
    types: { input: {} as Work, context: {} as Notes, events: {} as { type: 'note' | 'go' } },
    actors: { work: activity<Work, number>() },
    delays: { delayMs: ({ context }) => context.delayMs },
    actions: { take: assign({ notes: ({ context }) => context.notes + 1 }) },
  }).createMachine({
    id,
    options: { maxIterations: 100 },
    context: ({ input }) => ({ ...input, notes: 0 }),
    initial: 'waiting',
    on: { note: { actions: 'take' } },
    states: {
      waiting: { on: { go: 'working' }, after: { delayMs: 'working' } },
      working: {
        on: { note: { target: 'working', reenter: true, actions: 'take' } },
        invoke: { id: 'work', src: 'work', input: given, onDone: 'resting', onError: 'failed' },
      },
      resting: { on: { go: 'workingAgain' }, after: { delayMs: 'workingAgain' } },
      workingAgain: { invoke: { id: 'more', src: 'work', input: given, onDone: 'succeeded', onError: 'failed' } },
      succeeded: { type: 'final' },
      failed: { type: 'final' },
    },
  });
  return jobOf(machine, { work: waiting(record) }, { input: Work, concurrency: LIMITS[id] });
}
