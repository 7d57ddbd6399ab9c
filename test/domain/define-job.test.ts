import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { ActivityContext } from '../../src/domain/activity.ts';
import { defineJob } from '../../src/domain/define-job.ts';
import { OutputValidationError, RetryAfterError, TerminalError, UnavailableError } from '../../src/domain/errors.ts';
import { type Instant, instant } from '../../src/domain/ids.ts';
import { type RunPolicy, resolvePolicy } from '../../src/domain/run-policy.ts';
import { foldable } from '../../src/domain/statechart/fold.ts';
import { lint, lintForHost } from '../../src/domain/statechart/lint.ts';
import { type SerializedError, serializeError } from '../../src/domain/statechart/serialized-error.ts';
import { describeState, type Snapshot } from '../../src/domain/statechart/snapshot.ts';
import { activityDone, activityFailed, type Stimulus, timerFired } from '../../src/domain/statechart/stimulus.ts';
import { runnable } from '../../src/runtime/job-types.ts';
import { activityContext } from '../support/activity-context.ts';
import { expectFoldEqualsInterpreter } from '../support/expect-fold-equals-interpreter.ts';
import { MINUTE_MS, threeSteps } from '../support/three-steps.ts';

const { jobType, activities } = threeSteps();
const INPUT = jobType.input.parse({});
const POLICY = resolvePolicy(jobType.policy, { maxAttempts: 3, attemptTimeoutMs: 1 });
const OUTPUTS: Readonly<Record<string, unknown>> = {
  download: { path: '/tmp/a.png' },
  resize: { path: '/tmp/a-small.png', widths: [640] },
  upload: { at: 'cdn' },
};

/** A run of the three steps, on a clock of its own; activities end and timers fire when the test says so. */
class Walk {
  readonly statechart = foldable(jobType.machine);
  at: Instant = instant(1_000_000);
  snapshot: Snapshot;
  #revision = 1;

  constructor(policy: RunPolicy = POLICY) {
    this.snapshot = this.statechart.start(INPUT, { ...this.#environment(), policy }).snapshot;
  }

  get state(): string {
    return describeState(this.snapshot.value);
  }

  get running(): readonly string[] {
    return Object.keys(this.snapshot.activities ?? {});
  }

  get stepInput(): unknown {
    return Object.values(this.snapshot.activities ?? {})[0]?.input;
  }

  /** False: the run does not react. */
  hear(type: string): boolean {
    return this.#step({ kind: 'event', event: { type } });
  }

  done(step: string): boolean {
    return this.#step(activityDone(step, this.snapshot.activities![step]!.visit, OUTPUTS[step]));
  }

  failed(step: string, error: Error = new Error('try again')): boolean {
    return this.#step(activityFailed(step, this.snapshot.activities![step]!.visit, serializeError(error)));
  }

  /** Milliseconds until the timer of the delay is due. */
  msUntil(delay: string): number {
    return this.#timer(delay)[1].dueAt - this.at;
  }

  /** Goes to when the timer of the delay is due. */
  elapse(delay: string): void {
    const [id, timer] = this.#timer(delay);
    this.at = instant(Math.max(this.at, timer.dueAt));
    this.#step(timerFired(id, timer.visit, timer));
  }

  #timer(delay: string) {
    return Object.entries(this.snapshot.timers!).find(([id]) => id.startsWith(`xstate.after.${delay}.`))!;
  }

  #step(stimulus: Stimulus): boolean {
    this.#revision++;
    const step = this.statechart.step(this.snapshot, stimulus, this.#environment());
    if (step !== undefined) this.snapshot = JSON.parse(JSON.stringify(step.snapshot)) as Snapshot;
    return step !== undefined;
  }

  #environment() {
    return { at: this.at, seed: `image/r1:${this.#revision}` };
  }
}

describe('a run of steps', () => {
  it('goes from step to step, each with the results of the earlier ones', () => {
    const run = new Walk();
    expect(run.state).toBe('running.download.executing');
    expect(run.stepInput).toEqual({ input: INPUT, results: {}, attempt: 1 });
    run.done('download');
    expect(run.state).toBe('running.resize.executing');
    run.done('resize');
    expect(run.stepInput).toEqual({ input: INPUT, results: { download: OUTPUTS.download, resize: OUTPUTS.resize }, attempt: 1 });
    run.done('upload');
    expect(run.snapshot).toMatchObject({ status: 'done', value: 'succeeded' });
    expect(run.snapshot.output).toEqual({ results: OUTPUTS, attempts: { download: 1, resize: 1, upload: 1 } });
    expect(run.statechart.stats).toEqual({ memoised: 4, plain: 0 });
  });

  it('tries a failed step again after a wait, and forgets the error when it succeeds', () => {
    const run = new Walk();
    run.failed('download');
    expect(run.state).toBe('running.download.backingOff');
    expect(run.running).toEqual([]);
    const firstMs = run.msUntil('backoffMs:download');
    expect(firstMs).toBeLessThan(1_000);
    run.elapse('backoffMs:download');
    expect(run.state).toBe('running.download.executing');
    expect(run.stepInput).toMatchObject({ attempt: 2 });
    run.failed('download');
    const secondMs = run.msUntil('backoffMs:download');
    expect(secondMs).toBeLessThan(2_000);
    expect(Math.abs(secondMs - 2 * firstMs)).toBeGreaterThan(1); // each wait has a chance of its own
    run.elapse('backoffMs:download');
    run.done('download');
    expect(run.snapshot.context).toMatchObject({ attempts: { download: 3, resize: 1 }, error: null });
    expect(run.statechart.stats.plain).toBe(0);
  });

  it('fails when its attempts are used up', () => {
    const run = new Walk();
    for (let attempt = 1; attempt < 3; attempt++) {
      run.failed('download');
      run.elapse('backoffMs:download');
    }
    run.failed('download', new Error('gone for good'));
    expect(run.snapshot).toMatchObject({ status: 'done', value: 'failed' });
    expect(run.snapshot.output).toEqual({ results: {}, attempts: { download: 3 }, error: { name: 'Error', message: 'gone for good' } });
  });

  it('fails at once on what can only fail again, and keeps what was done', () => {
    const run = new Walk();
    run.done('download');
    run.failed('resize', new TerminalError('no image'));
    expect(run.state).toBe('failed');
    expect(run.snapshot.output).toMatchObject({ results: { download: OUTPUTS.download }, error: { code: 'TERMINAL' } });
  });

  it('takes the policy of a step before that of the job', () => {
    const run = new Walk();
    run.done('download');
    run.done('resize');
    expect(run.msUntil('timeoutMs:upload')).toBe(2 * MINUTE_MS);
    run.failed('upload');
    expect(run.state).toBe('failed');
  });

  it('has the numbers of the settings where nobody states others, and of the policy it started with wherever it is', () => {
    const run = new Walk(resolvePolicy({}, { maxAttempts: 2, attemptTimeoutMs: 7_000 }));
    expect([run.msUntil('timeoutMs:download'), run.msUntil('runTimeoutMs')]).toEqual([7_000, 24 * 60 * MINUTE_MS]);
    run.failed('download');
    run.elapse('backoffMs:download');
    run.failed('download');
    expect(run.state).toBe('failed');
  });

  it('begins the same attempt again, as often as it takes, when nothing was tried', () => {
    const run = new Walk();
    for (let times = 0; times < 10; times++) {
      run.failed('download', new UnavailableError('the vault', 'it is not mounted', 50_000));
      expect(run.state).toBe('running.download.backingOff');
      expect(run.msUntil('backoffMs:download')).toBe(50_000);
      run.elapse('backoffMs:download');
      expect(run.stepInput).toMatchObject({ attempt: 1 });
    }
    run.failed('download');
    run.elapse('backoffMs:download');
    expect(run.stepInput).toMatchObject({ attempt: 2 });
    run.failed('download', new UnavailableError('the vault', 'it is not mounted', 0));
    expect(run.msUntil('backoffMs:download')).toBeLessThan(2_000); // no shorter than after any second attempt
    run.elapse('backoffMs:download');
    run.done('download');
    expect(run.snapshot.context).toMatchObject({ attempts: { download: 2, resize: 1 }, unavailable: 0, error: null });
  });

  it('meets the deadline of the run when what it needs stays out of order', () => {
    const run = new Walk();
    while (run.at < 1_000_000 + 59 * MINUTE_MS) {
      run.failed('download', new UnavailableError('the vault', 'it is not mounted', 10 * MINUTE_MS));
      if (run.msUntil('runTimeoutMs') <= run.msUntil('backoffMs:download')) break;
      run.elapse('backoffMs:download');
    }
    run.elapse('runTimeoutMs');
    expect(run.snapshot).toMatchObject({
      value: 'timedOut',
      output: { attempts: { download: 1 }, error: { cause: { code: 'UNAVAILABLE' } } },
    });
  });

  it('tries at once when it is told to retry, unless it is paused', () => {
    const run = new Walk();
    expect(run.hear('retry')).toBe(false); // it does not wait
    run.failed('download', new RetryAfterError('busy', 600_000));
    run.hear('retry');
    expect(run.state).toBe('running.download.executing');
    expect(run.stepInput).toMatchObject({ attempt: 2 });
    expect(Object.keys(run.snapshot.timers!).filter((id) => id.includes('backoffMs'))).toEqual([]);
    run.failed('download', new RetryAfterError('busy', 600_000));
    run.hear('pause');
    run.hear('retry');
    expect(run.state).toBe('running.download.ready');
    run.hear('resume');
    expect(run.stepInput).toMatchObject({ attempt: 3 });
  });

  it('waits as long as the other side asks for', () => {
    const run = new Walk();
    run.failed('download', new RetryAfterError('busy', 600_000));
    expect(run.msUntil('backoffMs:download')).toBe(600_000);
  });

  it('gives an attempt up when its time is up, tries again, and in the end says so', () => {
    const run = new Walk();
    for (let attempt = 1; attempt < 3; attempt++) {
      expect(run.msUntil('timeoutMs:download')).toBe(MINUTE_MS);
      run.elapse('timeoutMs:download');
      expect(run.state).toBe('running.download.backingOff');
      expect(run.running).toEqual([]);
      run.elapse('backoffMs:download');
    }
    run.elapse('timeoutMs:download');
    expect(run.state).toBe('failed');
    expect(run.snapshot.output).toMatchObject({
      error: { name: 'AttemptTimeoutError', message: 'an attempt of download took longer than 60000 ms' },
    });
  });

  it.each(['executing', 'backingOff', 'ready'])('ends as timedOut when the time of the whole run is up while %s', (state) => {
    const run = new Walk();
    if (state === 'ready') run.hear('pause');
    if (state !== 'executing') run.failed('download');
    if (state === 'ready') run.elapse('backoffMs:download');
    expect(run.state).toBe(`running.download.${state}`);
    run.elapse('runTimeoutMs');
    expect(run.snapshot).toMatchObject({ value: 'timedOut', output: { error: { name: 'RunTimeoutError' } } });
    const { error } = run.snapshot.output as unknown as { error: SerializedError };
    expect(error.cause?.message).toBe(state === 'executing' ? undefined : 'try again');
    expect([run.running, run.at]).toEqual([[], 1_000_000 + 60 * MINUTE_MS]);
  });

  it('pauses before the next attempt and goes on when told to', () => {
    const run = new Walk();
    expect(run.hear('resume')).toBe(false);
    run.hear('pause');
    expect(run.running).toEqual(['download']); // finishes what it does
    expect(run.hear('pause')).toBe(false);
    run.failed('download');
    run.elapse('backoffMs:download');
    expect(run.state).toBe('running.download.ready');
    run.hear('resume');
    expect(run.state).toBe('running.download.executing');
    expect(run.stepInput).toMatchObject({ attempt: 2 });
    run.hear('pause');
    run.done('download');
    expect([run.state, run.running]).toEqual(['running.resize.ready', []]);
    run.hear('resume');
    expect(run.state).toBe('running.resize.executing');
  });

  it('is cancelled at any time', () => {
    const executing = new Walk();
    executing.hear('cancel');
    expect(executing.snapshot).toMatchObject({ value: 'cancelled', status: 'done' });
    const backingOff = new Walk();
    backingOff.failed('download');
    backingOff.hear('cancel');
    expect(backingOff.snapshot).toMatchObject({ value: 'cancelled', output: { error: { message: 'try again' } } });
    expect(backingOff.hear('cancel')).toBe(false);
  });

  it('folds to the states of XState’s own interpreter, from memory', () => {
    const types = ['pause', 'resume', 'resume', 'cancel', 'retry', 'unheard.of'];
    const events = types.map((type) => ({ type }));
    const seldomCancelled = events.filter(({ type }) => type !== 'cancel');
    const reached = new Set([
      ...expectFoldEqualsInterpreter(jobType.machine, INPUT, { events, seeds: 100, outputs: OUTPUTS, policy: POLICY }),
      ...expectFoldEqualsInterpreter(jobType.machine, INPUT, { events: seldomCancelled, seeds: 200, outputs: OUTPUTS, policy: POLICY }),
    ]);
    const steps = ['download', 'resize', 'upload'];
    const below = (state: string) => steps.map((step) => ({ running: { [step]: state } }));
    const finals = ['succeeded', 'failed', 'cancelled', 'timedOut'];
    expect([...reached].sort()).toEqual(
      [...below('ready'), ...below('executing'), ...below('backingOff'), ...finals].map((state) => JSON.stringify(state)).sort(),
    );
  });

  it('has nothing that works in a live actor only', () => {
    expect([...lint(jobType.machine), ...lintForHost(jobType.machine)]).toEqual([]);
    expect(Object.keys(runnable(jobType, activities).activities)).toEqual(['download', 'resize', 'upload']);
  });
});

describe('the activity of a step', () => {
  it('gets input, earlier results and attempt, and the context as it is', async () => {
    let got: { attempt: number; context: ActivityContext } | undefined;
    const job = threeSteps({
      download: (attempt, context) => {
        got = { attempt, context };
      },
    });
    const context = activityContext({ activityId: 'download', visit: 7 });
    expect(await job.activities.download!({ input: INPUT, results: {}, attempt: 2 }, context)).toEqual({ path: '/tmp/a.png' });
    expect(got).toEqual({ attempt: 2, context });
    expect(got?.context).toBe(context);
  });

  it('gives what its schema makes of the output', async () => {
    const job = defineJob({ id: 'x', summary: '', input: z.object({}) })
      .step('a', { output: z.object({ n: z.int().default(3) }), run: async () => ({}) })
      .build();
    expect(await job.activities.a!({ input: {}, results: {}, attempt: 1 }, activityContext())).toEqual({ n: 3 });
  });

  it('is never tried again after an output that its schema refuses', async () => {
    const job = defineJob({ id: 'x', summary: '', input: z.object({}) })
      .step('a', { output: z.int(), run: async () => 0.5 })
      .build();
    const error = await job.activities.a!({ input: {}, results: {}, attempt: 1 }, activityContext()).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(OutputValidationError);
    expect(serializeError(error)).toMatchObject({ code: 'OUTPUT_INVALID', retryable: false, message: expect.stringContaining('step a') });
  });
});

describe('a definition', () => {
  const job = { id: 'x', summary: '', input: z.object({ url: z.string() }) };
  const step = { output: z.int(), run: async () => 1 };

  it('is a job type as any other', () => {
    const { jobType: defined } = defineJob({ ...job, cron: '0 3 * * *', concurrency: 2, retry: { maxAttempts: 2 }, timeoutMs: 1 })
      .step('a', step)
      .build();
    const policy = { timeoutMs: 1, each: { retry: { maxAttempts: 2 } } };
    expect(defined).toEqual({ ...job, cron: '0 3 * * *', concurrency: 2, policy, machine: defined.machine });
  });

  it('states what its steps state, and nothing else', () => {
    const { jobType: defined } = defineJob({ ...job, stepTimeoutMs: 5 })
      .step('a', step)
      .step('b', { ...step, retry: { factor: 3 }, timeoutMs: 7 })
      .build();
    expect(defined.policy).toEqual({ each: { timeoutMs: 5 }, activities: { b: { retry: { factor: 3 }, timeoutMs: 7 } } });
  });

  it('has a structure that no number is part of', () => {
    const one = defineJob({ ...job, timeoutMs: 1 })
      .step('a', step)
      .build();
    const other = defineJob({ ...job, timeoutMs: 2, retry: { maxAttempts: 9 } })
      .step('a', { ...step, timeoutMs: 3 })
      .build();
    expect(foldable(one.jobType.machine).definitionHash).toBe(foldable(other.jobType.machine).definitionHash);
  });

  it('has an id that can be part of a subject', () => {
    expect(() => defineJob({ ...job, id: 'a.b' })).toThrow(expect.objectContaining({ code: 'ID_INVALID' }));
  });

  it('can be the beginning of two', () => {
    const beginning = defineJob(job).step('a', step);
    const steps = [beginning.step('b', step), beginning.step('c', step), beginning].map((end) => Object.keys(end.build().activities));
    expect(steps).toEqual([['a', 'b'], ['a', 'c'], ['a']]);
  });

  it.each([
    [
      'two steps',
      () =>
        defineJob(job)
          .step('a', step)
          .step('a' as never, step),
    ],
    ['cannot name a step', () => defineJob(job).step('a.b', step)],
    ['cannot name a step', () => defineJob(job).step('constructor', step)],
    ['maxAttempts', () => defineJob({ ...job, retry: { maxAttempts: 0 } }).step('a', step)],
    ['stepTimeoutMs is 0', () => defineJob({ ...job, stepTimeoutMs: 0 })],
    ['timeoutMs is 1.5', () => defineJob({ ...job, timeoutMs: 1.5 })],
    ['x, step a: timeoutMs', () => defineJob(job).step('a', { ...step, timeoutMs: -1 })],
  ])('is refused: %s', (problem, define) => {
    expect(define).toThrow(expect.objectContaining({ code: 'JOB_TYPE_INVALID', message: expect.stringContaining(problem) }));
  });
});
