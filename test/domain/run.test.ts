import { describe, expect, it } from 'vitest';
import { type AnyStateMachine, assign, setup } from 'xstate';
import { z } from 'zod';
import { adoptRun } from '../../src/domain/adoption.ts';
import { defineJob } from '../../src/domain/define-job.ts';
import { instant, type JobTypeId, type RunId, type Sequence } from '../../src/domain/ids.ts';
import type { JobType } from '../../src/domain/job-type.ts';
import { advanceRun, type Decision, type Run, resumeRun, runAfter, startRun } from '../../src/domain/run.ts';
import { parseRunEvent, type RunEvent } from '../../src/domain/run-event.ts';
import { resolvePolicy } from '../../src/domain/run-policy.ts';
import { activity } from '../../src/domain/statechart/declare-activity.ts';
import { activityDone, activityFailed, foldable } from '../../src/domain/statechart/fold.ts';
import { verifyNext } from '../../src/domain/verify-history.ts';
import { HistoryVerifier, type Verdict } from '../../src/runtime/history-verifier.ts';
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
const sample = { jobType: 'sample' as JobTypeId, runId: 'r1' as RunId, policy: resolvePolicy() };
let ids = 0;
const factsAt = (minute: number, delivery = 1) => ({
  eventId: `event-${++ids}`,
  at: instant(Date.UTC(2026, 0, 1, 2, minute)),
  source: '/almanac/test',
  lease: { command: 7, delivery, term: delivery },
  parkAfterMs: 5_000,
});
/** As the next process would know the run: through bytes. */
const stored = ({ bytes }: Decision, sequence: number): Run =>
  runAfter(sample.jobType, sample.runId, parseRunEvent(bytes), bytes, sequence as Sequence);

function wholeHistory(): Buffer[] {
  const first = startRun(statechart, { ...sample, input: { n: 1 } }, { ...factsAt(0), actor: { who: 'tester' } });
  const second = advanceRun(statechart, stored(first, 1), activityDone('fetch', 1, { pages: [1, 2] }), factsAt(1))!;
  const third = resumeRun(stored(second, 2), factsAt(2, 2));
  const fourth = advanceRun(statechart, stored(third, 3), activityDone('store', 2, 'ok'), factsAt(3, 2))!;
  return [first, second, third, fourth].map(({ bytes }) => bytes);
}
function verdictOn(history: readonly Uint8Array[], jobTypes: readonly JobType[], complete = true): Verdict {
  const verifier = new HistoryVerifier(jobTypes, { complete });
  for (const bytes of history)
    verifier.take({ ...sample, sequence: 0 as Sequence, storedAt: instant(0), event: parseRunEvent(bytes), bytes });
  return verifier.result();
}
const problemsIn = (history: readonly Uint8Array[], complete?: boolean) => verdictOn(history, [jobType], complete).problems;
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

describe('the numbers a run started with', () => {
  const deployed = (most: number, ms: number) =>
    defineJob({ id: 'sample', summary: '', input: z.object({}), timeoutMs: 3 * ms, stepTimeoutMs: ms, retry: { maxAttempts: most } })
      .step('fetch', { output: z.null(), run: async () => null })
      .build().jobType;
  const [before, after] = [deployed(2, 60_000), deployed(9, 1_000)];
  const start = () => startRun(foldable(before.machine), { ...sample, input: {}, policy: resolvePolicy(before.policy) }, factsAt(0));
  const failed = activityFailed('fetch', 3, { name: 'Error', message: 'try again' });
  const verified = (by: JobType, history: readonly Uint8Array[]) => {
    const verifier = new HistoryVerifier([by], { complete: true });
    for (const bytes of history)
      verifier.take({ ...sample, sequence: 0 as Sequence, storedAt: instant(0), event: parseRunEvent(bytes), bytes });
    return verifier.result().problems;
  };

  it('are in its first event only, and what a later deployment says does not matter to the fold', () => {
    const first = start();
    const second = advanceRun(foldable(after.machine), stored(first, 1), failed, factsAt(0))!;
    expect(first.event.data.policy).toEqual(resolvePolicy(before.policy));
    expect(second.event.data).not.toHaveProperty('policy');
    expect(second.event.data.to).toBe('running.fetch.backingOff');
    for (const by of [before, after]) expect(verified(by, [first.bytes, second.bytes])).toEqual([]);
  });

  it('cannot be altered unseen', () => {
    const forged = altered(start().bytes, ({ data }) => (data.policy = resolvePolicy(after.policy)));
    const lost = altered(start().bytes, ({ data }) => delete data.policy);
    expect(verified(before, [forged])).toEqual([expect.stringMatching(/another snapshot/)]);
    expect(verified(before, [lost])).toEqual([expect.stringMatching(/policy\(\) works only while a run starts/)]);
  });
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
      change(1, ({ data }) => Object.assign(data, { event: { type: 'xstate.stop' }, cause: { command: 7 } })),
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

describe('verifying a run that was adopted', () => {
  const renamed: AnyStateMachine = setup({
    actors: { fetch: activity<undefined, unknown>(), store: activity<undefined, unknown>() },
  }).createMachine({
    id: 'sample',
    initial: 'getting',
    states: { getting: { invoke: { id: 'fetch', src: 'fetch', onDone: 'succeeded' } }, succeeded: { type: 'final' } },
  });
  const first = startRun(statechart, { ...sample, input: {} }, factsAt(0));
  const second = adoptRun(foldable(renamed), { from: machine, states: { fetching: 'getting' } }, stored(first, 1), factsAt(1, 2));
  const third = advanceRun(foldable(renamed), stored(second, 2), activityDone('fetch', 1, null), factsAt(2, 2))!;
  const history = [first, second, third].map(({ bytes }) => bytes);
  const onBoth = [{ ...jobType, machine: renamed, previous: [{ machine }] }];
  const onNew = [{ ...jobType, machine: renamed }];
  const changed = (index: number, alter: Parameters<typeof altered>[1]) =>
    history.map((bytes, at) => (at === index ? altered(bytes, alter) : bytes)).slice(0, index + 1);

  it('folds every event with the definition it was made on', () => {
    expect(verdictOn(history, onBoth)).toEqual({ runs: 1, events: 3, problems: [], notes: [] });
  });

  it('says of which events the definition is not at hand, and checks what it can', () => {
    const note = `1 events of 1 runs were made on definition ${statechart.definitionHash} of sample, which is not registered here`;
    expect(verdictOn(history, onNew)).toEqual({ runs: 1, events: 3, problems: [], notes: [expect.stringContaining(note)] });
    expect(verdictOn(history, [jobType]).notes).toEqual([
      expect.stringContaining(`2 events of 1 runs were made on definition ${foldable(renamed).definitionHash}`),
    ]);
    expect(
      verdictOn(
        changed(0, ({ data }) => (data.to = 'storing')),
        onNew,
      ).problems,
    ).toEqual([expect.stringMatching(/'to'/)]);
    const [, , last] = history as [Buffer, Buffer, Buffer];
    expect(verdictOn([altered(history[0]!, (event) => (event.extra = true)), history[1]!, last], onNew).problems).toEqual([
      expect.stringMatching(/chain/),
    ]);
  });

  it.each<[string, Buffer[], RegExp]>([
    [
      'a definition that changes without an adoption',
      changed(2, ({ data }) => (data.definition = statechart.definitionHash)),
      /'definition'/,
    ],
    ['a resume that is called an adoption', changed(1, ({ data }) => (data.definition = statechart.definitionHash)), /'type'/],
    ['an adoption that is called a resume', changed(1, (event) => (event.type = 'almanac.run.resumed')), /'type'/],
    ['an adoption from another state', changed(1, ({ data }) => (data.from = 'storing')), /'from'/],
    [
      'an adoption that hands out visits twice',
      changed(1, ({ data }) => Object.assign(data.snapshot as object, { visits: 0 })),
      /'visits'/,
    ],
    [
      'an adoption into a state that the new definition does not have',
      changed(1, ({ data }) => Object.assign(data, { to: 'storing', snapshot: { ...(data.snapshot as object), value: 'storing' } })),
      /does not belong to this definition/,
    ],
  ])('finds %s', (_, tampered, problem) => {
    expect(verdictOn(tampered, onBoth).problems).toEqual([expect.stringMatching(problem)]);
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
