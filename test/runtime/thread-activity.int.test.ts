/** Activities that compute for longer than a lease, on a real server. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { afterAll, expect, it } from 'vitest';
import { assign, setup } from 'xstate';
import { ThreadPool, threadActivity } from '../../src/adapters/system/thread-activity.ts';
import { activity } from '../../src/domain/statechart/declare-activity.ts';
import { hostOn } from '../support/host-on.ts';
import { jobOf, stepsJob } from '../support/jobs.ts';
import { useNatsServer } from '../support/nats-server.ts';
import { Sightings, sightingLog } from '../support/sightings.ts';

const server = useNatsServer();
const pool = new ThreadPool({ log: sightingLog(new Sightings()) });
afterAll(() => pool.close());
const HEAVY = new URL('../support/heavy-activities.ts', import.meta.url);
const LEASE_MS = 500;
const COMPUTES_MS = 5 * LEASE_MS;

it('an activity that computes for several leases keeps its run, and the process goes on with everything else', async () => {
  const spin = threadActivity<number, number>(HEAVY, 'spin', { pool });
  const job = stepsJob('computing', ['only'], (_, context) => spin(COMPUTES_MS, context));
  await using host = await hostOn(server, [job], { leaseMs: LEASE_MS });
  await using other = await hostOn(server, [job], { leaseMs: LEASE_MS });
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  await host.start(job, 'r1');
  await Promise.race([host.seen.times('ended'), other.seen.times('ended')]);
  delay.disable();
  const history = await host.historyOf(job, 'r1');
  expect(history.map(({ event }) => event.type)).toEqual(['almanac.run.started', 'almanac.run.finished']);
  expect(new Set(history.map(({ event }) => event.source)).size).toBe(1);
  expect(delay.max / 1e6).toBeLessThan(COMPUTES_MS / 2); // milliseconds, unless others need the machine, too
});

it('one that ignores that its state was left is ended, and its process goes on', async () => {
  const shared = new Int32Array(new SharedArrayBuffer(4));
  const spinForEver = threadActivity<Int32Array, never>(HEAVY, 'spinForEver', { pool, graceMs: 20 });
  const ended = new Sightings();
  const machine = setup({
    types: { context: {} as { error: unknown } },
    actors: { work: activity<null, never>() },
    delays: { limitMs: 300 },
  }).createMachine({
    id: 'too-long',
    context: { error: null },
    initial: 'working',
    options: { maxIterations: 100 },
    states: {
      working: {
        invoke: { id: 'work', src: 'work', input: null, onError: { target: 'expired', actions: assign({ error: 1 }) } },
        after: { limitMs: 'expired' },
      },
      expired: { type: 'final' },
    },
  });
  const work = (_: null, context: Parameters<typeof spinForEver>[1]) => spinForEver(shared, context).finally(() => ended.saw('work'));
  const job = jobOf(machine, { work });
  await using host = await hostOn(server, [job]);
  await host.start(job, 'r1');
  expect(await host.seen.times('ended')).toEqual(['expired']);
  await ended.times('work');
  expect((await host.historyOf(job, 'r1')).at(-1)!.event.data.snapshot.context).toEqual({ error: null });
});

it('one that ignores that its process stops keeps it from stopping no longer than the grace', async () => {
  const spinForEver = threadActivity<null, never>(HEAVY, 'spinForEver', { pool, graceMs: 20 });
  const working = new Sightings();
  const job = stepsJob('stopped', ['only'], (_, context) =>
    spinForEver(null, { ...context, signal: context.signal, progress: () => working.saw('work') }),
  );
  const host = await hostOn(server, [job]);
  await host.start(job, 'r1');
  await working.times('work');
  const startedAt = performance.now();
  await host.stop();
  expect(performance.now() - startedAt).toBeLessThan(2_000);
});
