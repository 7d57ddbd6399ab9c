/** The evidence of runs in which everything went right, made by hand, for breaking it. */
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

const working = (visit: number) => ({
  value: 'working',
  context: { ms: 5 },
  status: 'active',
  visits: visit,
  activities: { work: { src: 'work', visit, input: 5 } },
});
const resting = (visit: number, dueMs: number) => ({
  value: 'resting',
  context: { ms: 5 },
  status: 'active',
  visits: visit,
  timers: { [PAUSE]: { visit, dueAt: T0 + dueMs, event: { type: PAUSE } } },
});
const init = { type: 'xstate.init' };
const done = { type: 'xstate.done.actor.work', output: 7, actorId: 'work' };
const lease = (command: number, delivery: number, term: number) => ({ lease: { command, delivery, term } });

function line(type: string, atMs: number, source: string, data: Line['data']): Line {
  return { type: `almanac.run.${type}`, atMs, source, data };
}

function started(): Line {
  const data = { ...lease(1, 1, 1), event: init, to: 'working', cause: { command: 1 }, input: { ms: 5 }, snapshot: working(1) };
  return line('started', 0, 'a', data);
}
const resumed = (atMs: number, source: string, data: Line['data']) => line('resumed', atMs, source, data);
const worked = (atMs: number, source: string, visit: number, more: Partial<Data>) =>
  line('transitioned', atMs, source, {
    ...more,
    event: done,
    to: 'resting',
    cause: { activity: 'work', visit },
    snapshot: resting(visit + 1, atMs + 100),
  });
const rested = (atMs: number, source: string, visit: number, more: Partial<Data>) =>
  line('finished', atMs, source, {
    ...more,
    event: { type: PAUSE },
    to: 'succeeded',
    cause: { timer: PAUSE, visit },
    outcome: 'succeeded',
    snapshot: { value: 'succeeded', context: { ms: 5 }, status: 'done', visits: visit },
  });

/** Started by `a`, taken over by `b` after 20 ms, at rest after 40 ms, at its end after 140 ms. */
function plainLines(): Line[] {
  const taken = lease(1, 2, 2);
  return [
    started(),
    resumed(20, 'b', { ...taken, to: 'working', cause: { command: 1 }, snapshot: working(1) }),
    worked(40, 'b', 1, taken),
    rested(140, 'b', 2, taken),
  ];
}

/**
 * As the plain one until it rests, where it is parked and told something by `d`. Woken by `c`, it is cancelled by `d`; begins anew with
 * `a`, is parked again, adopted by `b`, and ends.
 */
function eventfulLines(): Line[] {
  const [taken, woken, again, adopted] = [lease(1, 2, 2), lease(2, 1, 3), lease(3, 1, 4), lease(4, 1, 5)];
  const stopped = { value: 'resting', context: { ms: 5 }, status: 'stopped', visits: 2 };
  const newDefinition = { definition: 'v2' };
  return [
    ...plainLines().slice(0, 2),
    worked(40, 'b', 1, { ...taken, parked: { until: at(140) } }),
    line('transitioned', 60, 'd', {
      ...lease(0, 0, 2),
      parked: { until: at(140) },
      event: { type: 'note' },
      to: 'resting',
      cause: { command: 50 },
      snapshot: resting(2, 140),
    }),
    resumed(141, 'c', { ...woken, to: 'resting', cause: { command: 2 }, snapshot: resting(2, 140) }),
    line('finished', 150, 'd', {
      ...woken,
      event: { type: 'almanac.cancel' },
      to: 'resting',
      cause: { command: 51 },
      outcome: 'cancelled',
      snapshot: stopped,
    }),
    line('restarted', 200, 'a', { ...again, event: init, to: 'working', cause: { command: 3 }, input: { ms: 5 }, snapshot: working(3) }),
    worked(240, 'a', 3, { ...again, parked: { until: at(340) } }),
    line('adopted', 341, 'b', { ...adopted, ...newDefinition, to: 'resting', cause: { command: 4 }, snapshot: resting(4, 340) }),
    rested(342, 'b', 4, { ...adopted, ...newDefinition }),
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
  return sceneOf(runId, plainLines(), [
    ['a', 'started', 1, 1],
    ['b', 'started', 1, 21],
    ['b', 'returned', 1, 39],
  ]);
}

export function eventfulRun(runId: string): Scene {
  return sceneOf(runId, eventfulLines(), [
    ['a', 'started', 1, 1],
    ['b', 'started', 1, 21],
    ['b', 'returned', 1, 39],
    ['a', 'started', 3, 201],
    ['a', 'returned', 3, 239],
  ]);
}

type Done = readonly [source: string, what: Effect['what'], visit: number, atMs: number];

function sceneOf(runId: string, lines: readonly Line[], done: readonly Done[]): Scene {
  const subject = `job/${runId}`;
  const events = lines.map(({ type, atMs, source, data }, index) => ({
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
  const effects = done.map(([source, what, visit, ms], index): Effect => {
    const key = `${runId}/work/${visit}`;
    return { what, jobType: 'job', runId, activity: 'work', visit, key, source, pid: 1, at: T0 + ms, order: index + 1 };
  });
  return { events, effects };
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
      outcomes: ['succeeded'],
      lane: 'normal' as const,
    })),
    signals: [],
    outages: [],
    parkAfterMs: 50,
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
