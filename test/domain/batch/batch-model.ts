/** A small batch and everything that can happen to it, for walking all of its states. */
import { z } from 'zod';
import type { BatchLedger } from '../../../src/domain/batch-ledger.ts';
import { defineBatch } from '../../../src/domain/define-batch.ts';
import { type Instant, instant } from '../../../src/domain/ids.ts';
import { CHILD_FINISHED } from '../../../src/domain/signal.ts';
import { foldable } from '../../../src/domain/statechart/fold.ts';
import { outstanding, type Snapshot } from '../../../src/domain/statechart/snapshot.ts';
import { activityDone, activityFailed, type Stimulus, timerFired } from '../../../src/domain/statechart/stimulus.ts';

export const ITEMS = 4;
export const WINDOW = 2;
export const { jobType, activities } = defineBatch({
  id: 'small',
  summary: 'for a test',
  input: z.object({}),
  child: 'work',
  window: WINDOW,
  maxFailures: 1,
  retry: { maxAttempts: 2, jitter: 'none' },
  list: async ({ cursor, limit }) => pageAfter(cursor, limit),
});
const statechart = foldable(jobType.machine);

function pageAfter(cursor: string | null, limit: number) {
  const from = Number(cursor ?? 0);
  const items = Array.from({ length: Math.min(limit, ITEMS - from) }, (_, index) => ({ item: from + index }));
  const next = from + items.length;
  return { items, next: next < ITEMS ? String(next) : null };
}

export const ledgerOf = ({ context }: Snapshot): BatchLedger => context as unknown as BatchLedger;
const at: Instant = instant(1_000_000);
export const started = (): Snapshot => throughBytes(statechart.start({}, { at, seed: 'small/b1:1' }).snapshot);

/** Undefined: it does not react. */
export function after(snapshot: Snapshot, stimulus: Stimulus): Snapshot | undefined {
  const step = statechart.step(snapshot, stimulus, { at, seed: 'small/b1:2' });
  return step && throughBytes(step.snapshot);
}
const throughBytes = (snapshot: Snapshot) => JSON.parse(JSON.stringify(snapshot)) as Snapshot;

export const report = (child: string, outcome: string): Stimulus => ({
  kind: 'event',
  event: { type: CHILD_FINISHED, child, jobType: 'work', outcome },
});
export const hear = (type: string): Stimulus => ({ kind: 'event', event: { type } });

/** Of the outstanding children. */
export const reportsTo = (snapshot: Snapshot): Stimulus[] =>
  ledgerOf(snapshot).outstanding.flatMap((number) =>
    ['succeeded', 'failed', 'cancelled'].map((outcome) => report(`b1-${number}`, outcome)),
  );

/** Every result, timer, report and wish that there can be. */
export function stimuliTo(snapshot: Snapshot): Stimulus[] {
  const { activities: running, timers } = outstanding(snapshot);
  return [
    ...running.flatMap(({ id, visit, input }) => [
      activityDone(id, visit, outputOf(id, input)),
      activityFailed(id, visit, { name: 'Error', message: 'no' }),
    ]),
    ...timers.map((timer) => timerFired(timer.id, timer.visit, timer)),
    ...['pause', 'resume', 'cancel'].map(hear),
    ...reportsTo(snapshot),
  ];
}

export function outputOf(activity: string, input: unknown): unknown {
  switch (activity) {
    case 'openBatch':
      return { start: 'b1-', end: '' };
    case 'listItems': {
      const { cursor, limit } = input as { cursor: string | null; limit: number };
      return pageAfter(cursor, limit);
    }
    default:
      return null;
  }
}
