/** Every state that a small batch can come to, by whatever happens in whatever order. */
import { expect, it } from 'vitest';
import { describeState, isFinal, outcomeOf, type Snapshot } from '../../../src/domain/statechart/snapshot.ts';
import { after, ITEMS, ledgerOf, report, reportsTo, started, stimuliTo, WINDOW } from './batch-model.ts';

/** States differ when they can lead elsewhere: visits and what was failed of are left out. */
function keyOf({ value, context, activities, timers }: Snapshot): string {
  const { failures, error, ...ledger } = context as Record<string, unknown>;
  return JSON.stringify([value, ledger, Object.keys(activities ?? {}), Object.keys(timers ?? {})]);
}

const states = new Map<string, Snapshot>();
const steps: { readonly from: Snapshot; readonly to: Snapshot }[] = [];
const open = [started()];
for (let from = open.pop(); from !== undefined; from = open.pop()) {
  if (states.has(keyOf(from))) continue;
  states.set(keyOf(from), from);
  for (const stimulus of stimuliTo(from)) {
    const to = after(from, stimulus);
    if (to === undefined) continue;
    steps.push({ from, to });
    open.push(to);
  }
}
const unfinished = [...states.values()].filter((snapshot) => !isFinal(snapshot));

it('they are all there', () => {
  const names = new Set([...states.values()].map(({ value }) => describeState(value)));
  expect([...names].sort()).toEqual([
    'cancelled',
    'completedWithErrors',
    'failed',
    'running.listing.backingOff',
    'running.listing.executing',
    'running.opening',
    'running.starting.backingOff',
    'running.starting.executing',
    'running.waiting',
    'stopping.cancelling.backingOff',
    'stopping.cancelling.executing',
    'stopping.draining',
    'succeeded',
    'timedOut',
  ]);
});

it('no unfinished batch ignores the report of a child that it expects: it would be lost for ever', () => {
  let reports = 0;
  for (const snapshot of unfinished) {
    for (const stimulus of reportsTo(snapshot)) {
      const { child } = stimulus.event as unknown as { child: string };
      const heard = after(snapshot, stimulus);
      expect(heard && ledgerOf(heard).outstanding, `${keyOf(snapshot)} and ${child}`).not.toContain(Number(child.slice('b1-'.length)));
      expect(heard).toBeDefined();
      reports++;
    }
  }
  expect(reports).toBeGreaterThan(100);
});

it('a report that comes twice, or of no child of it, changes nothing', () => {
  for (const snapshot of unfinished) {
    const { outstanding } = ledgerOf(snapshot);
    const others = ['b1-99', 'b1-', 'b1-00', 'b1-0x', 'b2-0', 'b1-0r9', ''];
    const finished = [0, 1, 2, 3].filter((number) => !outstanding.includes(number)).map((number) => `b1-${number}`);
    for (const child of [...others, ...finished]) expect(after(snapshot, report(child, 'succeeded'))).toBeUndefined();
    for (const number of outstanding) {
      const { event } = report(`b1-${number}`, 'succeeded');
      for (const odd of [{ jobType: 'other' }, { outcome: null }, { child: number }])
        expect(after(snapshot, { kind: 'event', event: { ...event, ...odd } })).toBeUndefined();
    }
  }
});

it('never more than the window is outstanding, and nothing is started once the batch is to end', () => {
  for (const { from, to } of steps) {
    const [before, now] = [ledgerOf(from), ledgerOf(to)];
    expect(now.outstanding.length).toBeLessThanOrEqual(WINDOW);
    expect(new Set(now.outstanding).size).toBe(now.outstanding.length);
    expect(now.page.length).toBeLessThanOrEqual(WINDOW);
    if (before.ending !== null) expect([now.ending, now.children]).toEqual([before.ending, before.children]);
  }
});

it('a batch waits only while there is something to wait for, and every end says what it should', () => {
  for (const snapshot of states.values()) {
    const { progress, outstanding, paused, failures, ending } = ledgerOf(snapshot);
    if (describeState(snapshot.value) === 'running.waiting' && !paused) expect(outstanding.length).toBeGreaterThan(0);
    const outcome = outcomeOf(snapshot);
    if (outcome === undefined) continue;
    if (outcome === 'succeeded') expect(progress).toEqual({ done: ITEMS, failed: 0, total: ITEMS });
    else if (outcome === 'completedWithErrors') expect(progress).toEqual({ done: ITEMS, failed: 1, total: ITEMS });
    else expect(outcome).toBe(ending);
    expect(failures).toHaveLength(progress.failed);
  }
});

it('from every state it can still succeed, fail or be cancelled to the end', () => {
  const leadsTo = new Map<string, string[]>();
  for (const { from, to } of steps) leadsTo.set(keyOf(to), [...(leadsTo.get(keyOf(to)) ?? []), keyOf(from)]);
  const canEnd = new Set([...states.entries()].flatMap(([key, snapshot]) => (isFinal(snapshot) ? [key] : [])));
  for (const key of canEnd) for (const before of leadsTo.get(key) ?? []) canEnd.add(before);
  expect(canEnd.size).toBe(states.size);
});
