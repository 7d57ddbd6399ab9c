/** The evidence of two runs in which everything went right, made by hand, for breaking it. */
import { createHash } from 'node:crypto';
import { setup } from 'xstate';
import { activity } from '../../src/domain/statechart/declare-activity.ts';
import type { Effect } from './effects.ts';
import type { Evidence, LoggedEvent, Stored } from './evidence.ts';

export const machine = setup({
  types: { input: {} as { ms: number }, context: {} as { ms: number } },
  actors: { work: activity<number, number>() },
  delays: { pauseMs: 100 },
}).createMachine({
  id: 'job',
  context: ({ input }) => input,
  initial: 'working',
  states: {
    working: { invoke: { id: 'work', src: 'work', input: ({ context }) => context.ms, onDone: 'resting', onError: 'failed' } },
    resting: { after: { pauseMs: 'succeeded' } },
    succeeded: { type: 'final' },
    failed: { type: 'final' },
  },
});

const T0 = Date.parse('2026-11-23T03:00:00.000Z');
export const at = (ms: number): string => new Date(T0 + ms).toISOString();
const PAUSE = 'xstate.after.pauseMs.job.resting';

type Data = LoggedEvent['data'];

interface Line {
  readonly type: string;
  readonly atMs: number;
  readonly source: string;
  readonly data: Partial<Data> & Pick<Data, 'to' | 'cause' | 'snapshot'>;
}

/** Started by `a`, taken over by `b` after 20 ms, at rest after 40 ms, at its end after 140 ms. */
function linesOf(): Line[] {
  const lease = (delivery: number) => ({ lease: { command: 1, delivery, term: delivery } });
  const working = {
    value: 'working',
    context: { ms: 5 },
    status: 'active',
    visits: 1,
    activities: { work: { src: 'work', visit: 1, input: 5 } },
  };
  const resting = {
    value: 'resting',
    context: { ms: 5 },
    status: 'active',
    visits: 2,
    timers: { [PAUSE]: { visit: 2, dueAt: T0 + 140, event: { type: PAUSE } } },
  };
  const done = { type: 'xstate.done.actor.work', output: 7, actorId: 'work' };
  return [
    {
      type: 'almanac.run.started',
      atMs: 0,
      source: 'a',
      data: { ...lease(1), event: { type: 'xstate.init' }, to: 'working', cause: { command: 1 }, input: { ms: 5 }, snapshot: working },
    },
    { type: 'almanac.run.resumed', atMs: 20, source: 'b', data: { ...lease(2), to: 'working', cause: { command: 1 }, snapshot: working } },
    {
      type: 'almanac.run.transitioned',
      atMs: 40,
      source: 'b',
      data: { ...lease(2), event: done, to: 'resting', cause: { activity: 'work', visit: 1 }, snapshot: resting },
    },
    {
      type: 'almanac.run.finished',
      atMs: 140,
      source: 'b',
      data: {
        ...lease(2),
        event: { type: PAUSE },
        to: 'succeeded',
        cause: { timer: PAUSE, visit: 2 },
        outcome: 'succeeded',
        snapshot: { value: 'succeeded', context: { ms: 5 }, status: 'done', visits: 2 },
      },
    },
  ];
}

/** Plain data that may be changed; {@link evidenceOf} makes bytes of it. */
type Mutable<Shape> = { -readonly [Key in keyof Shape]: Shape[Key] };
export type Editable = Mutable<Omit<LoggedEvent, 'data'>> & { data: Mutable<Data> };
export interface Scene {
  events: { stored: Editable; storedAtMs: number }[];
  effects: Effect[];
}

export function goodRun(runId: string): Scene {
  const subject = `job/${runId}`;
  const events = linesOf().map(({ type, atMs, source, data }, index) => ({
    storedAtMs: T0 + atMs,
    stored: {
      id: `${runId}-${index + 1}`,
      source,
      type,
      subject,
      time: at(atMs),
      data: {
        revision: index + 1,
        from: null,
        lease: { command: 1, delivery: 1, term: 1 },
        startedAt: at(0),
        definition: 'v1',
        previous: null,
        ...structuredClone(data),
      },
    } as Editable,
  }));
  for (const [index, { stored }] of events.entries()) stored.data.from = events[index - 1]?.stored.data.to ?? null;
  const effect = (source: string, what: Effect['what'], ms: number, order: number): Effect => ({
    what,
    jobType: 'job',
    runId,
    activity: 'work',
    visit: 1,
    key: `${runId}/work/1`,
    source,
    pid: 1,
    at: T0 + ms,
    order,
  });
  return { events, effects: [effect('a', 'started', 1, 1), effect('b', 'started', 21, 1), effect('b', 'returned', 39, 2)] };
}

/** The chain is made whole, unless `chained` is false: what is to be found is then hidden as well as a careful forger could. */
export function evidenceOf(scenes: readonly Scene[], more: Partial<Evidence> = {}, chained = true): Evidence {
  const runs = new Map<string, Stored[]>();
  let sequence = 0;
  for (const [index, { events }] of scenes.entries()) {
    const history: Stored[] = [];
    for (const { stored, storedAtMs } of events) {
      const before = history.at(-1);
      if (chained) stored.data.previous = before === undefined ? null : createHash('sha256').update(before.bytes).digest('hex');
      history.push({ sequence: ++sequence, storedAtMs, event: stored, bytes: Buffer.from(JSON.stringify(stored)) });
    }
    if (history.length > 0) runs.set(`job/r${index + 1}`, history);
  }
  return {
    runs,
    effects: scenes.flatMap(({ effects }) => effects).sort((a, b) => a.at - b.at),
    expected: scenes.map((_, index) => ({
      jobType: 'job' as never,
      runId: `r${index + 1}`,
      input: { ms: 5 } as never,
      outcome: 'succeeded',
    })),
    limits: { job: 2 },
    machines: { job: machine },
    deaths: [],
    clocksSetBack: new Set(),
    commandsLeft: { stored: [], consumers: [] },
    deadLetters: [],
    problems: [],
    ...more,
  };
}
