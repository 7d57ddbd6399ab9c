/** The checker of the kill test sees what it is there to see. */
import { expect, it } from 'vitest';
import { hashOfEvent } from '../../src/domain/hash-chain.ts';
import type { Entry, Stretch } from '../../src/domain/schedule/ledger.ts';
import type { ScheduleEvent } from '../../src/domain/schedule/schedule-event.ts';
import { problemsOf, type RecordedEvent } from './schedule-checker.ts';

const started = (dueAt: number): Entry => ({
  dueAt: dueAt as never,
  fate: 'started',
  rule: 'on-time',
  lateMs: 0,
  runId: `r${dueAt}` as never,
});
const missed = (from: number, to: number): Stretch => ({ from: from as never, to: to as never, fate: 'missed', rule: 'window' });

/** A schedule of every ten milliseconds, created at 0. */
function history(...decided: { until: number; entries?: Entry[]; stretches?: Stretch[] }[]): RecordedEvent[] {
  const events: RecordedEvent[] = [];
  for (const { until, entries = [], stretches = [] } of [{ until: 0 }, ...decided]) {
    const last = events.at(-1);
    const previous = last === undefined ? null : hashOfEvent(last.bytes);
    const data = { entries, stretches, effects: [], previous, state: { decidedUntil: until, revision: 1, waiting: [] } };
    events.push({ event: { data } as unknown as ScheduleEvent, bytes: Buffer.from(JSON.stringify(data)) });
  }
  return events;
}
const once: ReadonlyMap<string, number> = new Map([10, 15, 20, 30].map((dueAt) => [`r${dueAt}`, 1]));
const check = (events: RecordedEvent[], starts = once) => problemsOf({ everyMs: 10 }, events, starts);
const first = { until: 10, entries: [started(10)] };
const second = { until: 40, entries: [started(30)], stretches: [missed(20, 40)] };

it('a history without fault', () => expect(check(history(first, second))).toEqual([]));
it.each<[string, RecordedEvent[], ReadonlyMap<string, number>, string]>([
  ['an occurrence without a fate', history({ until: 20, entries: [started(20)] }), once, '00:00:00.010Z has 0 fates'],
  ['one with two', history(first, { until: 30, entries: [started(10)], stretches: [missed(20, 30)] }), once, 'has 2 fates'],
  ['one that was never due', history({ until: 10, entries: [started(10), started(15)] }), once, 'never due'],
  ['a start without its command', history(first), new Map(), 'with 0 commands'],
  ['a start with two commands', history(first), new Map([['r10', 2]]), 'with 2 commands'],
  ['a missing event', history(first, second).toSpliced(1, 1), once, 'the chain is broken'],
  ['a decision about the past', history(first, { until: 5 }), once, 'it goes back'],
])('%s', (_, events, starts, problem) => {
  expect(check(events, starts).join('\n')).toContain(problem);
});
