import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { ActivityContext, Child, Children } from '../../../src/domain/activity.ts';
import { type BatchOptions, defineBatch } from '../../../src/domain/define-batch.ts';
import { type Instant, instant } from '../../../src/domain/ids.ts';
import { foldable } from '../../../src/domain/statechart/fold.ts';
import type { Json } from '../../../src/domain/statechart/json.ts';
import { lint, lintForHost } from '../../../src/domain/statechart/lint.ts';
import { describeState, outstanding, type Snapshot } from '../../../src/domain/statechart/snapshot.ts';
import { activityDone, activityFailed } from '../../../src/domain/statechart/stimulus.ts';
import { runnable } from '../../../src/runtime/job-types.ts';
import { activityContext } from '../../support/activity-context.ts';
import { expectFoldEqualsInterpreter } from '../../support/expect-fold-equals-interpreter.ts';
import { activities, jobType, ledgerOf, report } from './batch-model.ts';

const at: Instant = instant(0);
const input = z.object({});
const options = { id: 'batch', summary: '', input, child: 'work', list: async () => ({ items: [], next: null }) };
const define = (more: Partial<BatchOptions<typeof input, Json>> = {}) => defineBatch({ ...options, ...more });

/** What the activity of a fresh run says; and what it does with children. */
async function run(batch: ReturnType<typeof define>, activity: string, args: unknown, context: Partial<ActivityContext> = {}) {
  const asked: { started: readonly Child[]; cancelled: readonly object[] } = { started: [], cancelled: [] };
  const children: Children = {
    start: async (started) => void Object.assign(asked, { started }),
    cancel: async (cancelled) => void Object.assign(asked, { cancelled }),
  };
  const output = await batch.activities[activity]!(args, { ...activityContext(), children, ...context });
  return { output, ...asked };
}

describe('the statechart', () => {
  it('has nothing that works in a live actor only', () => {
    expect([...lint(jobType.machine), ...lintForHost(jobType.machine)]).toEqual([]);
    expect(runnable(jobType, activities).id).toBe('small');
  });

  it('folds to the states of XState’s own interpreter', () => {
    const reports = [0, 1, 2, 3].flatMap((number) => ['succeeded', 'failed'].map((outcome) => report(`b1-${number}`, outcome).event));
    const events = [...reports, ...reports, { type: 'pause' }, { type: 'resume' }, { type: 'resume' }];
    const outputs = { openBatch: { start: 'b1-', end: '' }, listItems: { items: ['a', 'b'], next: null } };
    const reached = new Set([
      ...expectFoldEqualsInterpreter(jobType.machine, {}, { events: [...events, { type: 'cancel' }], seeds: 150, outputs }),
      ...expectFoldEqualsInterpreter(jobType.machine, {}, { events, seeds: 150, outputs }),
    ]);
    expect(reached.size).toBe(14);
  });

  it('ends as failed, and says so, when what it listed does not fit into the log', () => {
    const large = { items: Array.from({ length: 60 }, () => 'x'.repeat(400)), next: null };
    const failed = listed(define(), large);
    expect(describeState(failed.value)).toBe('failed');
    expect(failed.output).toMatchObject({
      error: { name: 'PageTooLargeError', message: expect.stringMatching(/^60 listed items take 24\d+ bytes/) },
    });
  });

  it('tries again what may pass, and gives up what cannot', () => {
    const flaky = foldable(define().jobType.machine);
    const opened = listing(flaky);
    const visit = opened.activities!.listItems!.visit;
    const heard = (retryable?: false) =>
      flaky.step(opened, activityFailed('listItems', visit, { name: 'Error', message: 'no', ...(retryable === false && { retryable }) }), {
        at,
        seed: '',
      })!;
    expect(describeState(heard().snapshot.value)).toBe('running.listing.backingOff');
    expect(heard(false).snapshot).toMatchObject({ value: 'failed', output: { done: 0, failed: 0, error: { message: 'no' } } });
  });

  it('is done at once where there is nothing to do', () => {
    const { value, output } = listed(define(), { items: [], next: null });
    expect([value, output]).toEqual(['succeeded', { done: 0, failed: 0, total: 0, failures: [] }]);
  });

  it('gives several items to a child, and what is left to the last', () => {
    const { context } = listed(define({ itemsPerChild: 3, window: 4 }), { items: [1, 2, 3, 4, 5, 6, 7], next: null });
    const { children, outstanding: numbers, progress } = ledgerOf({ context } as Snapshot);
    expect([children, numbers, progress]).toEqual([3, [0, 1, 2], { done: 0, failed: 0, total: 7 }]);
  });
});

it('a batch that began with another number of items for a child keeps to it', () => {
  const before = listed(define({ itemsPerChild: 3, window: 2, pageItems: 6 }), { items: [1, 2, 3, 4, 5, 6], next: 'more' });
  const now = foldable(define({ window: 2, pageItems: 1 }).jobType.machine);
  const { activities: starting } = before;
  expect(starting!.startChildren!.input).toMatchObject({ first: 0, items: [1, 2, 3, 4, 5, 6], itemsPerChild: 3 });
  const begun = now.step(before, activityDone('startChildren', starting!.startChildren!.visit, null), { at, seed: '' })!.snapshot;
  expect(begun.activities!.listItems!.input).toEqual({ input: {}, cursor: 'more', limit: 3 });
  const { context } = now.step(begun, report('b1-1', 'succeeded'), { at, seed: '' })!.snapshot;
  expect(ledgerOf({ context } as Snapshot).progress).toEqual({ done: 3, failed: 0 });
});

function listing(statechart: ReturnType<typeof foldable>): Snapshot {
  const { snapshot } = statechart.start({}, { at, seed: '' });
  const { id, visit } = outstanding(snapshot).activities[0]!;
  return statechart.step(snapshot, activityDone(id, visit, { start: 'b1-', end: '' }), { at, seed: '' })!.snapshot;
}
function listed(batch: ReturnType<typeof define>, page: object): Snapshot {
  const statechart = foldable(batch.jobType.machine);
  const snapshot = listing(statechart);
  return statechart.step(snapshot, activityDone('listItems', snapshot.activities!.listItems!.visit, page), { at, seed: '' })!.snapshot;
}

describe('its activities', () => {
  const childIds = { start: 'b1-', end: '' };

  it('start children with their item, or with several', async () => {
    const start = { input: {}, childIds, first: 7, items: [{ path: 'a' }, { path: 'b' }], itemsPerChild: 1 };
    expect((await run(define({ lane: 'low' }), 'startChildren', start)).started).toEqual([
      { jobType: 'work', runId: 'b1-7', input: { path: 'a' }, lane: 'low' },
      { jobType: 'work', runId: 'b1-8', input: { path: 'b' }, lane: 'low' },
    ]);
    const three = { ...start, items: ['a', 'b', 'c'], itemsPerChild: 2 };
    expect((await run(define(), 'startChildren', three)).started).toEqual([
      { jobType: 'work', runId: 'b1-7', input: { items: ['a', 'b'] } },
      { jobType: 'work', runId: 'b1-8', input: { items: ['c'] } },
    ]);
    const childInput = (items: readonly Json[]): Json => ({ paths: [...items] });
    expect((await run(define({ childInput }), 'startChildren', start)).started[0]?.input).toEqual({ paths: [{ path: 'a' }] });
  });

  it('cancel the children that are outstanding', async () => {
    const cancelled = await run(define(), 'cancelChildren', { childIds: { start: 'b1-', end: 'r9' }, children: [3, 5], why: 'failed' });
    expect(cancelled.cancelled).toEqual(['b1-3r9', 'b1-5r9'].map((child) => ({ jobType: 'work', runId: child })));
  });

  it('name children after the run, and others after it began anew', async () => {
    const { snapshot } = foldable(define().jobType.machine).start({}, { at, seed: '' });
    const { visit } = snapshot.activities!.openBatch!;
    const again = foldable(define().jobType.machine).start({}, { at, seed: '' }, snapshot.visits);
    expect((await run(define(), 'openBatch', undefined, { visit })).output).toEqual({ start: 'run-1-', end: '' });
    const anew = again.snapshot.activities!.openBatch!.visit;
    expect((await run(define(), 'openBatch', undefined, { visit: anew })).output).toEqual({ start: 'run-1-', end: `r${anew}` });
  });

  it.each([
    ['a run’s id that is too long', 'openBatch', undefined, 'has 118 characters'],
    ['more items than were asked for', 'listItems', { input: {}, cursor: null, limit: 1 }, 'returned 2 items, at most 1'],
    ['a page that follows itself', 'listItems', { input: {}, cursor: 'x', limit: 9 }, 'returned the cursor it was given, "x"'],
  ])('refuse %s', async (_, activity, args, problem) => {
    const list = async () => ({ items: ['a', 'b'], next: 'x' });
    const context = { runId: 'x'.repeat(118) as ActivityContext['runId'], visit: 2 };
    await expect(run(define({ list }), activity, args, context)).rejects.toMatchObject({
      retryable: false,
      message: expect.stringContaining(problem),
    });
  });
});

describe('a definition', () => {
  it('is a job type as any other', () => {
    const { jobType: defined } = define({ cron: '0 3 * * 0', concurrency: 1, window: 3, retry: { maxAttempts: 2 } });
    expect(defined).toEqual({ id: 'batch', summary: '', input, cron: '0 3 * * 0', concurrency: 1, machine: defined.machine });
  });

  it.each([
    ['window is 0', { window: 0 }],
    ['window is 1001', { window: 1_001 }],
    ['itemsPerChild is 1.5', { itemsPerChild: 1.5 }],
    ['pageItems is 2', { pageItems: 2, itemsPerChild: 3 }],
    ['timeoutMs is -1', { timeoutMs: -1 }],
    ['cancelGraceMs is 0', { cancelGraceMs: 0 }],
    ['maxFailures is NaN', { maxFailures: Number.NaN }],
    ['maxFailureShare is 2', { maxFailureShare: 2 }],
    ['maxAttempts is 0', { retry: { maxAttempts: 0 } }],
  ])('is refused: %s', (problem, more) => {
    expect(() => define(more)).toThrow(expect.objectContaining({ code: 'JOB_TYPE_INVALID', message: expect.stringContaining(problem) }));
  });

  it.each([{ id: 'a.b' }, { child: 'a.b' }])('has ids that can be part of a subject', (more) => {
    expect(() => define(more)).toThrow(expect.objectContaining({ code: 'ID_INVALID' }));
  });
});
