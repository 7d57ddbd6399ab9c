import { describe, expect, it } from 'vitest';
import { type AnyStateMachine, assign, setup } from 'xstate';
import { instant, type JobTypeId, type RunId, type Sequence } from '../../src/domain/ids.ts';
import { advanceRun, type Decision, type Run, resumeRun, runAfter, startRun, verifyNext } from '../../src/domain/run.ts';
import { parseRunEvent, type RunEvent } from '../../src/domain/run-event.ts';
import { activity } from '../../src/domain/statechart/declare-activity.ts';
import { activityDone, foldable } from '../../src/domain/statechart/fold.ts';
import { HistoryVerifier } from '../../src/runtime/history-verifier.ts';
import { jobOf } from '../support/jobs.ts';

const machine: AnyStateMachine = setup({
  types: { context: {} as { fetched: unknown; input: unknown } },
  actors: { fetch: activity<undefined, unknown>(), store: activity<undefined, unknown>() },
}).createMachine({
  id: 'sample',
  context: ({ input }) => ({ fetched: undefined, input }),
  initial: 'fetching',
  states: {
    fetching: {
      invoke: { id: 'fetch', src: 'fetch', onDone: { target: 'storing', actions: assign({ fetched: ({ event }) => event.output }) } },
    },
    storing: { invoke: { id: 'store', src: 'store', onDone: 'succeeded' } },
    succeeded: { type: 'final' },
  },
});
const { jobType } = jobOf(machine);
const statechart = foldable(machine);
const sample = { jobType: 'sample' as JobTypeId, runId: 'r1' as RunId };
let ids = 0;
const factsAt = (minute: number, delivery = 1) => ({
  eventId: `event-${++ids}`,
  at: instant(Date.UTC(2026, 0, 1, 2, minute)),
  source: '/almanac/test',
  lease: { command: 7, delivery, term: delivery },
});
/** As the next process would know the run: through bytes. */
const stored = ({ bytes }: Decision, sequence: number): Run =>
  runAfter(sample.jobType, sample.runId, parseRunEvent(bytes), bytes, sequence as Sequence);

function wholeHistory(): Buffer[] {
  const first = startRun(statechart, { ...sample, input: { n: 1 }, actor: { who: 'tester' } }, factsAt(0));
  const second = advanceRun(statechart, stored(first, 1), activityDone('fetch', 1, { pages: [1, 2] }), factsAt(1))!;
  const third = resumeRun(stored(second, 2), factsAt(2, 2));
  const fourth = advanceRun(statechart, stored(third, 3), activityDone('store', 2, 'ok'), factsAt(3, 2))!;
  return [first, second, third, fourth].map(({ bytes }) => bytes);
}
function problemsIn(history: readonly Uint8Array[], complete = true): string[] {
  const verifier = new HistoryVerifier([jobType], { complete });
  for (const bytes of history) verifier.take({ ...sample, sequence: 0 as Sequence, event: parseRunEvent(bytes), bytes });
  return verifier.result().problems;
}
function altered(bytes: Uint8Array, alter: (event: { data: Record<string, unknown> } & Record<string, unknown>) => void): Buffer {
  const event = JSON.parse(Buffer.from(bytes).toString()) as never;
  alter(event);
  return Buffer.from(JSON.stringify(event));
}
const without = (history: readonly Buffer[], index: number) => history.filter((_, at) => at !== index);

it('each event carries the hash of the one before, and nobody but the holder changes on a resume', () => {
  const events = wholeHistory().map((bytes) => parseRunEvent(bytes));
  expect(events.map(({ type }) => type.replace('almanac.run.', ''))).toEqual(['started', 'transitioned', 'resumed', 'finished']);
  expect(events.map(({ data }) => data.previous === null)).toEqual([true, false, false, false]);
  expect(new Set(events.map(({ data }) => data.startedAt))).toEqual(new Set(['2026-01-01T02:00:00.000Z']));
  expect(events[2]!.data.snapshot).toEqual(events[1]!.data.snapshot);
  expect(problemsIn(wholeHistory())).toEqual([]);
});

it('a result that is stale, repeated, or of another visit leads to nothing', () => {
  const first = stored(startRun(statechart, { ...sample, input: {} }, factsAt(0)), 1);
  const second = stored(advanceRun(statechart, first, activityDone('fetch', 1, null), factsAt(1))!, 2);
  expect(advanceRun(statechart, second, activityDone('fetch', 1, null), factsAt(2))).toBeUndefined();
  expect(advanceRun(statechart, second, activityDone('store', 1, null), factsAt(2))).toBeUndefined();
});

it('a run whose state outgrows an event is refused before anything is stored', () => {
  const start = () => startRun(statechart, { ...sample, input: 'x'.repeat(40_000) }, factsAt(0));
  expect(start).toThrow(expect.objectContaining({ code: 'SNAPSHOT_TOO_LARGE' }));
});

it('a run goes on the same whether its snapshot stayed in memory or went through bytes', () => {
  const first = startRun(statechart, { ...sample, input: {} }, factsAt(0));
  const inMemory = runAfter(sample.jobType, sample.runId, first.event, first.bytes, 1 as Sequence);
  const next = advanceRun(statechart, inMemory, activityDone('fetch', 1, 'x'), factsAt(1))!;
  expect(() =>
    verifyNext(
      statechart,
      { event: parseRunEvent(first.bytes), bytes: first.bytes },
      { event: parseRunEvent(next.bytes), bytes: next.bytes },
    ),
  ).not.toThrow();
});

describe('verifying finds', () => {
  const [started, transitioned, resumed, finished] = wholeHistory() as [Buffer, Buffer, Buffer, Buffer];
  const history = [started, transitioned, resumed, finished];
  const change = (index: number, alter: Parameters<typeof altered>[1]) =>
    history.map((bytes, at) => (at === index ? altered(bytes, alter) : bytes));

  it.each<[string, Buffer[], RegExp]>([
    [
      'a changed context',
      change(1, ({ data }) => ((data.snapshot as RunEvent['data']['snapshot'] & { context: unknown }).context = {})),
      /another snapshot/,
    ],
    ['a changed result', change(1, ({ data }) => ((data.event as Record<string, unknown>).output = 'forged')), /another snapshot/],
    ['a changed input', change(0, ({ data }) => (data.input = { n: 2 })), /another snapshot/],
    [
      'an event that cannot be heard',
      change(1, ({ data }) => Object.assign(data, { event: { type: 'xstate.init' }, cause: { command: 7 } })),
      /reserved/,
    ],
    ['bytes that mean the same', change(1, (event) => Object.assign(event, { extra: true })), /chain/],
    ['a forged outcome of the last event', change(3, ({ data }) => (data.outcome = 'failed')), /'outcome'/],
    ['a forged state of the last event', change(3, ({ data }) => (data.to = 'storing')), /'to'/],
    ['a forged beginning', change(3, ({ data }) => (data.startedAt = '2025-01-01T00:00:00.000Z')), /'startedAt'/],
    ['a forged type', change(3, (event) => (event.type = 'almanac.run.transitioned')), /'type'/],
    ['a dropped first event', without(history, 0), /missing/],
    ['a dropped event', without(history, 1), /expected revision 2/],
    ['a repeated event', [started, transitioned, transitioned, resumed, finished], /expected revision 3/],
    ['swapped events', [started, resumed, transitioned, finished], /expected revision 2/],
    ['an event after the last one', [...history, altered(finished, ({ data }) => (data.revision = 5))], /was the last one/],
    ['an event of another run', change(1, (event) => (event.subject = 'sample/r2')), /belongs to sample\/r2/],
  ])('%s, once', (_, tampered, problem) => {
    expect(problemsIn(tampered)).toEqual([expect.stringMatching(problem)]);
  });

  it('nothing wrong with the later part of a history whose beginning was not read', () => {
    expect(problemsIn(without(history, 0), false)).toEqual([]);
  });
});

describe('what is not JSON', () => {
  const clockwork: AnyStateMachine = setup({
    types: { context: {} as { since: unknown; note?: unknown } },
    actors: { wait: activity<unknown, unknown>() },
  }).createMachine({
    id: 'sample',
    context: { note: undefined, since: new Date(0) },
    initial: 'waiting',
    states: {
      waiting: { invoke: { id: 'wait', src: 'wait', input: ({ context }: { context: unknown }) => context, onDone: 'succeeded' } },
      succeeded: { type: 'final' },
    },
  });

  it('is for the process that decides already what it will be for the one that takes over', () => {
    const { event, effects } = startRun(foldable(clockwork), { ...sample, input: {} }, factsAt(0));
    const text = { since: '1970-01-01T00:00:00.000Z' };
    expect(event.data.snapshot.context).toEqual(text);
    expect(Object.keys(event.data.snapshot.context as object)).toEqual(['since']);
    expect(effects).toMatchObject([{ type: 'startActivity', input: text }]);
  });
});
