/** The kit for people who write jobs; its tests are its examples. */
import { describe, expect, it } from 'vitest';
import { assign, setup } from 'xstate';
import { z } from 'zod';
import { defineJob } from '../../src/domain/define-job.ts';
import {
  DefinitionChangedError,
  HistoryMismatchError,
  InvalidCommandError,
  StatechartCodeError,
  TerminalError,
} from '../../src/domain/errors.ts';
import type { JobType } from '../../src/domain/job-type.ts';
import { activity } from '../../src/domain/statechart/declare-activity.ts';
import { fails, hangs, lasts, playRun, succeeds } from '../../src/testing/index.ts';

const DAY_MS = 86_400_000;

const publish = defineJob({
  id: 'publish',
  summary: 'Renders a page and uploads it',
  input: z.strictObject({ page: z.string() }),
})
  .step('render', { output: z.string(), run: async ({ input }) => `<p>${input.page}</p>` })
  .step('upload', { output: z.object({ at: z.string() }), run: async ({ results }) => ({ at: `cdn:${results.render}` }) })
  .build();
const input = { page: 'home' };

/** Asks somebody, reminds him every day, and waits for an answer for three days. */
const approvalMachine = (waiting: string) =>
  setup({
    types: { context: {} as { reminders: number }, events: {} as { type: 'approved' } },
    actors: { ask: activity<undefined, null>(), remind: activity<undefined, null>() },
  }).createMachine({
    id: 'approval',
    options: { maxIterations: 100 },
    context: { reminders: 0 },
    initial: 'asking',
    after: { [3 * DAY_MS]: '.expired' },
    states: {
      asking: { invoke: { id: 'ask', src: 'ask', onDone: waiting } },
      [waiting]: { on: { approved: 'succeeded' }, after: { [DAY_MS]: 'reminding' } },
      reminding: {
        entry: assign({ reminders: ({ context }) => context.reminders + 1 }),
        invoke: { id: 'remind', src: 'remind', onDone: waiting },
      },
      succeeded: { type: 'final' },
      expired: { type: 'final' },
    },
  });
const approval: JobType = {
  id: 'approval',
  summary: 'Waits for an approval',
  input: z.object({}),
  machine: approvalMachine('waiting'),
};
const answers = { ask: succeeds(), remind: succeeds() };

describe('a run of steps', () => {
  it('runs the code of the job', async () => {
    const run = await playRun(publish, { input });
    expect(run.outcome).toBe('succeeded');
    expect(run.output).toMatchObject({ results: { upload: { at: 'cdn:<p>home</p>' } } });
  });

  it('is tried again after a failure, after a wait, and then succeeds', async () => {
    const run = await playRun(publish, { input, activities: { upload: [fails(), fails('busy'), succeeds({ at: 'cdn' })] } });
    expect(run.state).toBe('running.upload.backingOff');
    expect(run.timers[0]!.inMs).toBeLessThanOrEqual(1_000);
    await run.advanceToNextTimer();
    expect(run.timers[0]!.inMs).toBeLessThanOrEqual(2_000);
    await run.advance(2_000);
    expect([run.outcome, run.attempts]).toEqual(['succeeded', { render: 1, upload: 3 }]);
  });

  it('fails at once when trying again is useless', async () => {
    const run = await playRun(publish, { input, activities: { render: fails(new TerminalError('no such page')) } });
    expect([run.outcome, run.attempts]).toEqual(['failed', { render: 1 }]);
    expect(run.output).toMatchObject({ error: { message: 'no such page' } });
  });

  it('is given up when its time is up', async () => {
    const run = await playRun(publish, { input, activities: { upload: [hangs(), lasts(60_000, succeeds({ at: 'late' }))] } });
    await run.advance(3_600_000);
    expect(run.state).toBe('running.upload.backingOff');
    await run.advance(62_000);
    expect([run.outcome, run.attempts.upload]).toEqual(['succeeded', 2]);
  });

  it('is cancelled while the second step runs', async () => {
    const run = await playRun(publish, { input, activities: { upload: hangs() } });
    expect(run.running).toEqual(['upload']);
    await run.cancel({ who: 'Ann', why: 'wrong page' });
    expect(run.outcome).toBe('cancelled');
    expect(run.history.at(-1)!.data.actor).toEqual({ who: 'Ann', why: 'wrong page' });
    expect(run.held).toBe(false);
  });

  it('waits where a dead process left it: the log is enough', async () => {
    const run = await playRun(publish, { input, activities: { upload: [hangs(), succeeds({ at: 'cdn' })] } });
    await run.crash();
    expect(run.outcome).toBe('succeeded');
    const [first, second] = run.calls.filter((call) => call.activity === 'upload');
    expect(second!.idempotencyKey).toBe(first!.idempotencyKey);
    expect(run.attempts.upload).toBe(1);
    expect(run.history.map(({ type }) => type.slice('almanac.run.'.length))).toEqual(['started', 'transitioned', 'resumed', 'finished']);
  });

  it('leaves nothing of a dead process behind: what it was about to do is done by the next one alone', async () => {
    let uploads = 0;
    const upload = lasts(60_000, async () => ({ at: `cdn ${++uploads}` }));
    const run = await playRun(publish, { input, activities: { upload } });
    await run.crash({ downMs: 120_000 });
    expect(uploads).toBe(0);
    await run.advance(60_000);
    expect([uploads, run.outcome, run.now]).toEqual([1, 'succeeded', '2026-01-01T00:03:00.000Z']);
  });

  it('shows what it sent to other runs, and what it logged', async () => {
    const children = [{ jobType: 'page-words', runId: 'run-1-a', input: { page: 'a' } }];
    const run = await playRun(publish, {
      input,
      activities: {
        upload: async (_, context) => {
          await context.children.start(children);
          await context.children.cancel(children, 'changed my mind');
          context.log.warn({ children: 1 }, 'started and cancelled');
          return { at: 'cdn' };
        },
      },
    });
    expect(run.sent).toEqual([
      { start: { jobType: 'page-words', runId: 'run-1-a', input: { page: 'a' } } },
      { signal: { jobType: 'page-words', runId: 'run-1-a', event: { type: 'cancel' } } },
    ]);
    expect(run.logged).toMatchObject([{ level: 'warn', facts: { children: 1 }, message: 'started and cancelled' }]);
  });

  it('draws the same lots for the same run id, and others for another', async () => {
    const waitOf = async (runId: string) => (await playRun(publish, { input, runId, activities: { render: fails() } })).timers[0]!.inMs;
    expect(await waitOf('a')).toBe(await waitOf('a'));
    expect(await waitOf('a')).not.toBe(await waitOf('b'));
  });
});

describe('a statechart', () => {
  it('waits three days and holds nothing', async () => {
    const run = await playRun(approval, { at: '2026-11-23T12:00:00Z', activities: answers });
    expect([run.state, run.held, run.parkedUntil]).toEqual(['waiting', false, '2026-11-24T12:00:00.000Z']);
    await run.advance('2026-11-26T11:59:59Z');
    expect(run.context).toEqual({ reminders: 2 });
    await run.advance(1_000);
    expect([run.outcome, run.now]).toEqual(['expired', '2026-11-26T12:00:00.000Z']);
  });

  it('goes on by a signal while nobody holds it', async () => {
    const run = await playRun(approval, { activities: answers });
    await run.signal('approved', { who: 'Bob' });
    expect(run.outcome).toBe('succeeded');
  });

  it('does not react to a wake that does not stand any more', async () => {
    const run = await playRun(approval, { activities: answers });
    await run.advance(DAY_MS / 2);
    await run.signal('approved');
    const { length } = run.history;
    await run.advance(3 * DAY_MS);
    expect([run.outcome, run.history.length]).toEqual(['succeeded', length]);
  });

  it('says what it listens to when it refuses a signal', async () => {
    const run = await playRun(approval, { activities: answers });
    await expect(run.signal('aproved')).rejects.toThrow("does not listen to 'aproved' in state waiting; it listens to: approved, cancel");
    await run.cancel();
    await expect(run.signal('approved')).rejects.toThrow(InvalidCommandError);
  });

  it('wakes late, and once, when everything was down at its time', async () => {
    const run = await playRun(approval, { activities: answers });
    await run.crash({ downMs: 2.5 * DAY_MS });
    expect(run.context).toEqual({ reminders: 1 });
    await run.advance(DAY_MS / 2);
    expect(run.outcome).toBe('expired');
  });

  it('hears the clock in the middle of an activity', async () => {
    const run = await playRun(approval, { activities: { ...answers, ask: lasts(4 * DAY_MS) } });
    await run.advance(4 * DAY_MS);
    expect(run.outcome).toBe('expired');
    await expect(run.advanceToNextTimer()).rejects.toThrow('because it has ended');
  });

  it('goes on after a deployment that keeps its definition, and is held by one that does not', async () => {
    const next: JobType = { ...approval, machine: approvalMachine('pending') };
    const run = await playRun(approval, { activities: { ask: [hangs(), succeeds()], remind: succeeds() } });
    await expect(run.deploy(next)).rejects.toThrow(DefinitionChangedError);
    await run.deploy({ ...next, previous: [{ machine: approval.machine }] });
    expect(run.state).toBe('waiting');
  });

  it('that does not depend on its log alone is found out', async () => {
    let remembered = 0;
    const secretive: JobType = {
      ...approval,
      machine: setup({ types: { context: {} as { count: number } } }).createMachine({
        id: 'secretive',
        options: { maxIterations: 100 },
        context: () => ({ count: ++remembered }),
      }),
    };
    await expect(playRun(secretive)).rejects.toThrow(HistoryMismatchError);
  });

  it('whose code throws fails the test', async () => {
    const throwing = setup({
      guards: {
        never: () => {
          throw new Error('oh');
        },
      },
    }).createMachine({
      id: 'throwing',
      options: { maxIterations: 100 },
      initial: 'idle',
      states: { idle: { on: { go: { guard: 'never', target: 'idle' } }, after: { 1000: { guard: 'never', target: 'idle' } } } },
    });
    const run = await playRun({ ...approval, id: 'throwing', machine: throwing });
    await expect(run.signal('go')).rejects.toThrow(StatechartCodeError);
    await expect(run.advance(1_000)).rejects.toThrow(StatechartCodeError);
  });
});

describe('a test that says too little', () => {
  it('hears which call it has no outcome for', async () => {
    const run = await playRun(publish, { input, activities: { render: [fails()] } });
    await expect(run.advance(5_000)).rejects.toThrow('render was called 2 times: say what the call comes to, the test has 1');
  });

  it('hears which activity has no code, and which does not exist', async () => {
    await expect(playRun(approval, { activities: { ask: succeeds() } })).rejects.toThrow("activity 'remind' has no code");
    await expect(playRun(publish, { input, activities: { uplaod: succeeds() } })).rejects.toThrow('it has: render, upload');
  });

  it('hears what is wrong with the input', async () => {
    await expect(playRun(publish, { input: { pages: 1 } })).rejects.toThrow(InvalidCommandError);
  });

  it('hears that a time has no zone, or has passed', async () => {
    await expect(playRun(publish, { input, at: '2026-01-01T00:00:00' })).rejects.toThrow('is no instant');
    const run = await playRun(publish, { input });
    await expect(run.advance('2025-12-31T00:00:00Z')).rejects.toThrow('choose a later time');
  });

  it('hears which code does not return', async () => {
    const never = playRun(publish, { input, patienceMs: 20, activities: { render: () => new Promise(() => {}) } });
    await expect(never).rejects.toThrow('render has not returned in 20 ms of real time');
  });
});
