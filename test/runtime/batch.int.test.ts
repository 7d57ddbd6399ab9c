/** Batches: parents that start children within a window, through crashes of either, and whatever happens to a report. */
import { expect, it } from 'vitest';
import { type AnyStateMachine, assign, setup } from 'xstate';
import { natsAlertHistory } from '../../src/adapters/nats/alerts.ts';
import { natsReplyBox } from '../../src/adapters/nats/reply-box.ts';
import { natsRunHistory } from '../../src/adapters/nats/run-history.ts';
import type { Activity, Progress } from '../../src/domain/activity.ts';
import type { BatchLedger } from '../../src/domain/batch-ledger.ts';
import { TerminalError } from '../../src/domain/errors.ts';
import { jobTypeId, runId } from '../../src/domain/ids.ts';
import { CHILD_FINISHED } from '../../src/domain/signal.ts';
import { activity } from '../../src/domain/statechart/declare-activity.ts';
import type { Json } from '../../src/domain/statechart/json.ts';
import { describeState } from '../../src/domain/statechart/snapshot.ts';
import { Operations } from '../../src/runtime/operations.ts';
import type { StoredRunEvent } from '../../src/runtime/ports.ts';
import { type Client, hostOn } from '../support/host-on.ts';
import { jobOf, stepsJob, type TestJob } from '../support/jobs.ts';
import { useNatsServer } from '../support/nats-server.ts';
import { type NumberedOptions, noOpBatch, numbered, numberedBatch } from '../support/no-op-batch.ts';
import { Sightings } from '../support/sightings.ts';
import { type TcpProxy, tcpProxy } from '../support/tcp-proxy.ts';
import { expectVerified } from '../support/verified.ts';

const server = useNatsServer();
const LEASE_MS = 500;
/** Leases have to run out, and the machine may be slow. */
const eventually = <Seen>(see: () => Promise<Seen>) => expect.poll(see, { timeout: 15_000 });
const ledgerOf = ({ event }: StoredRunEvent) => event.data.snapshot.context as unknown as BatchLedger;
const stateOf = ({ event }: StoredRunEvent) => describeState(event.data.snapshot.value);
const reportsIn = (history: readonly StoredRunEvent[]) => history.filter(({ event }) => event.data.event?.type === CHILD_FINISHED);
const lastOf = async (client: Client, job: TestJob) => (await client.historyOf(job, 'b1')).at(-1)!;
/** A batch whose children do `work`, and tell it their run's id. */
function batchOf(id: string, work: Activity<string, unknown>, window: number, more: NumberedOptions = {}) {
  const child = stepsJob(`${id}-child`, ['only'], work);
  const retry = { initialMs: 1, maxMs: 10 };
  return { parent: numberedBatch(`${id}-child`, window, { id, childInput: () => ({}), retry, ...more }), child };
}

/** Waits until it is released, or told to stop. */
function gate() {
  const seen = new Sightings();
  const { promise: opened, resolve: open } = Promise.withResolvers<void>();
  const work: Activity<string, unknown> = async (_, { runId: run, signal }) => {
    seen.saw('working', run);
    await Promise.race([opened, new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))]);
    return run;
  };
  return { seen, work, open };
}

/** Ended as it says, with every child begun once and none of them out of the window; all of it folds to what the log says. */
async function expectExact(client: Client, { parent, child }: { parent: TestJob; child: TestJob }, items: number, window: number) {
  await eventually(async () => (await lastOf(client, parent)).event.data.outcome).toBe('succeeded');
  const [history, ofChildren] = [await client.historyOf(parent, 'b1'), await client.historyOf(child)];
  expect(history.at(-1)!.event.data.snapshot.output).toEqual({ done: items, failed: 0, total: items, failures: [] });
  expect(reportsIn(history)).toHaveLength(items);
  let [now, most] = [0, 0];
  for (const { event } of ofChildren) {
    if (event.type === 'almanac.run.started') now++;
    if (event.data.outcome !== undefined) now--;
    most = Math.max(most, now);
  }
  expect(most).toBeLessThanOrEqual(window);
  const begun = ofChildren.filter(({ event }) => event.type === 'almanac.run.started').map((stored) => stored.runId);
  expect(begun.sort()).toEqual(Array.from({ length: items }, (_, number) => `b1-${number}`).sort());
  expectVerified(parent, history);
  return history;
}

const commandsIn = async ({ manager }: Client) =>
  Object.keys((await manager.streams.info('COMMANDS', { subjects_filter: '>' })).state.subjects ?? {});
const isWake = (subject: string) => subject.includes('.wake.');
/** But for the wakes of the runs' time limits, which lie there until they are looked at. */
const nothingLeft = (client: Client) =>
  eventually(async () => (await commandsIn(client)).filter((subject) => !isWake(subject))).toEqual([]);

it('2,000 items go through a window of 64, in events that do not grow, with an event for each and few more', async () => {
  const jobs = noOpBatch(64);
  await using host = await hostOn(server, [jobs.parent, jobs.child]);
  await host.start(jobs.parent, 'b1', { items: 2_000 });
  const bytes: number[] = [];
  await host.followTo(jobs.parent, 'b1', (stored) => bytes.push(stored.bytes.byteLength));
  expect(Math.max(...bytes)).toBeLessThan(4_096);
  const history = await expectExact(host, jobs, 2_000, 64);
  expect(history.length).toBeLessThan(1.15 * 2_000);
  await nothingLeft(host);
  const { state } = await host.manager.streams.info('COMMANDS');
  expect(state.messages).toBeLessThanOrEqual(1); // one wake, not one for each time the batch was parked
});

it('is exact when two processes hear its reports and hold it in turn', async () => {
  const jobs = batchOf('shared', async (_, { runId: run }) => run, 16);
  await using one = await hostOn(server, [jobs.parent, jobs.child]);
  await using other = await hostOn(server, [jobs.parent, jobs.child]);
  await one.start(jobs.parent, 'b1', { items: 300 });
  const history = await expectExact(other, jobs, 300, 16);
  expect(new Set(history.map(({ event }) => event.source)).size).toBe(2);
});

it('shows how far it is, while it goes on and afterwards', async () => {
  const jobs = batchOf('shown', async (_, { runId: run }) => (run === 'b1-3' ? Promise.reject(new Error('bad')) : run), 4);
  await using host = await hostOn(server, [jobs.parent, jobs.child]);
  const { connection, manager, commands } = host;
  const history = natsRunHistory(connection, manager);
  const operations = new Operations({
    jobTypes: [jobs.parent.jobType],
    history,
    commands,
    replies: natsReplyBox(connection),
    alerts: natsAlertHistory(connection, manager),
  });
  const shown: Progress[] = [];
  const start = { jobType: jobTypeId('shown'), runId: runId('b1'), input: { items: 20 } };
  const run = await operations.startRunAndWait(start, (_, progress) => shown.push(progress));
  expect(run).toMatchObject({ outcome: 'completedWithErrors', progress: { done: 20, failed: 1, total: 20 } });
  expect(shown).toContainEqual({ done: 0, total: 20 });
  expect(shown.map(({ done }) => done)).toEqual(shown.map(({ done }) => done).sort((a, b) => a - b));
  expect(shown.at(-1)).toEqual({ done: 20, total: 20, note: '1 failed' });
  expect(await operations.describeRun(runId('b1'), jobTypeId('shown'))).toEqual({ ...run, held: null });
});

/** A host of the parent alone, behind a proxy; its children run elsewhere. */
async function parentBehind(proxy: TcpProxy, parent: TestJob) {
  return hostOn(proxy, [parent], { leaseMs: LEASE_MS });
}

it.each(['listing', 'starting, before any is', 'starting, after all are', 'waiting'])(
  'goes on when the process of the parent is lost while %s',
  async (when) => {
    await using proxy = await tcpProxy(server);
    const id = `lost-${when.replaceAll(/\W+/g, '-')}`;
    const { seen, work, open } = gate();
    let first = true;
    const lose = (how: () => void) => {
      if (!first) return;
      first = false;
      how();
      seen.saw('lost');
    };
    const { parent, child } = batchOf(id, work, 4, {
      list: async (args) => {
        if (when === 'listing' && args.cursor === '4') lose(() => proxy.refuse());
        return numbered(args);
      },
      childInput: () => {
        if (when.endsWith('before any is')) lose(() => proxy.refuse());
        if (when.endsWith('after all are')) lose(() => proxy.swallowAnswers());
        return {};
      },
    });
    await using children = await hostOn(server, [child], { leaseMs: LEASE_MS });
    await using lost = await parentBehind(proxy, parent);
    await children.start(parent, 'b1', { items: 10 });
    if (when === 'waiting') {
      await seen.times('working', 4);
      await eventually(async () => stateOf(await lastOf(children, parent))).toBe('running.waiting');
      lose(() => proxy.refuse());
    }
    await seen.times('lost');
    if (when.endsWith('after all are')) {
      await seen.times('working', 4);
      proxy.refuse();
    }
    open();
    await using other = await hostOn(server, [parent], { leaseMs: LEASE_MS });
    await expectExact(other, { parent, child }, 10, 4);
    proxy.heal(); // back again, it has something to say that is late
    await eventually(() => lost.connection.flush().then(() => 'back')).toBe('back');
    await nothingLeft(other);
    await expectExact(other, { parent, child }, 10, 4);
  },
);

it('goes on when the process of the children is lost', async () => {
  await using proxy = await tcpProxy(server);
  const { seen, work, open } = gate();
  const jobs = batchOf('childless', work, 4);
  await using lost = await hostOn(proxy, [jobs.child], { leaseMs: LEASE_MS });
  await using host = await hostOn(server, [jobs.parent], { leaseMs: LEASE_MS });
  await host.start(jobs.parent, 'b1', { items: 10 });
  await seen.times('working', 4);
  proxy.refuse();
  open();
  await using other = await hostOn(server, [jobs.child], { leaseMs: LEASE_MS });
  await expectExact(other, jobs, 10, 4);
  proxy.heal();
  await lost.stop();
  await nothingLeft(other);
});

it('counts children that have finished before the parent knows that they were started', async () => {
  await using proxy = await tcpProxy(server);
  let first = true;
  const seen = new Sightings();
  const jobs = batchOf('at-once', async (_, { runId: run }) => run, 4, {
    childInput: () => {
      if (first) proxy.swallowAnswers();
      first = false;
      seen.saw('starting');
      return {};
    },
  });
  await using starting = await hostOn(proxy, [jobs.parent], { leaseMs: LEASE_MS });
  await starting.start(jobs.parent, 'b1', { items: 10 });
  await seen.times('starting', 4);
  await using again = await hostOn(server, [jobs.parent, jobs.child], { leaseMs: LEASE_MS });
  await eventually(async () => reportsIn(await again.historyOf(jobs.parent, 'b1')).map(stateOf)).toEqual(
    Array(4).fill('running.starting.executing'),
  );
  proxy.cut();
  await expectExact(again, jobs, 10, 4);
  await nothingLeft(again);
});

it('counts a report once, however often and late it comes', async () => {
  const { seen, work, open } = gate();
  const jobs = batchOf('again-and-again', work, 4);
  await using host = await hostOn(server, [jobs.parent, jobs.child]);
  const again = async (child: string) => {
    const event = { type: CHILD_FINISHED, child, jobType: jobs.child.jobType.id, outcome: 'failed' };
    await host.commands.signal({ jobType: jobTypeId('again-and-again'), runId: runId('b1') }, { event, optional: true });
  };
  await host.start(jobs.parent, 'b1', { items: 10 });
  await seen.times('working', 4);
  open();
  for (let child = 0; child < 4; child++) {
    await eventually(async () => reportsIn(await host.historyOf(jobs.parent, 'b1')).length).toBeGreaterThan(3);
    for (let times = 0; times < 3; times++) await again(`b1-${child}`);
  }
  await expectExact(host, jobs, 10, 4);
  await again('b1-9');
  await nothingLeft(host);
  await expectExact(host, jobs, 10, 4);
  expect(host.seen.of('warning')).toEqual([]); // no dead letter
});

it('goes on past children that fail or are refused, waits for one that is laid aside, and says which', async () => {
  const repaired = { yet: false };
  const child = brittleJob('some-fail-child', repaired);
  const childInput = ([item]: readonly Json[]) => (item === 5 ? 'no object' : { item: item! });
  const parent = numberedBatch('some-fail-child', 2, { id: 'some-fail', childInput });
  await using host = await hostOn(server, [parent, child], { triesBeforeSuspending: 1 });
  await host.start(parent, 'b1', { items: 20 });
  await eventually(async () => ledgerOf(await lastOf(host, parent)).progress.done).toBe(19);
  expect(ledgerOf(await lastOf(host, parent)).outstanding).toEqual([6]);
  repaired.yet = true;
  await host.commands.again({ jobType: jobTypeId('some-fail-child'), runId: runId('b1-6') }, 'continue');
  await eventually(async () => (await lastOf(host, parent)).event.data.outcome).toBe('completedWithErrors');
  expect((await lastOf(host, parent)).event.data.snapshot.output).toEqual({
    done: 20,
    failed: 3,
    total: 20,
    failures: expect.arrayContaining([
      { child: 'b1-3', outcome: 'failed', message: 'b1-3 is bad' },
      { child: 'b1-5', outcome: 'refused', message: expect.stringContaining('expected object') },
      { child: 'b1-13', outcome: 'failed', message: 'b1-13 is bad' },
    ]),
  });
  await nothingLeft(host);
});

/** Fails where the run's id ends with 3; its own code throws in run 6 until it is repaired. */
function brittleJob(id: string, repaired: { yet: boolean }): TestJob {
  const machine: AnyStateMachine = setup({
    types: { context: {} as { error: unknown } },
    actors: { work: activity<undefined, string>() },
    actions: {
      look: assign({
        error: ({ event }) => {
          if (!repaired.yet && (event as { output?: unknown }).output === 'b1-6') throw new TypeError('a bug');
          return null;
        },
      }),
      keepError: assign({ error: ({ event }) => (event as { error?: unknown }).error }),
    },
  }).createMachine({
    id,
    context: { error: null },
    initial: 'working',
    options: { maxIterations: 100 },
    states: {
      working: {
        invoke: {
          id: 'work',
          src: 'work',
          onDone: { target: 'succeeded', actions: 'look' },
          onError: { target: 'failed', actions: 'keepError' },
        },
      },
      succeeded: { type: 'final' },
      failed: { type: 'final' },
    },
    output: ({ context }) => context,
  });
  const work: Activity<undefined, string> = async (_, { runId: run }) => {
    if (run.endsWith('3')) throw new TerminalError(`${run} is bad`);
    return run;
  };
  return jobOf(machine, { work });
}

it('stops at more failures than are allowed, and its other children are cancelled', async () => {
  const { seen, work } = gate();
  const jobs = batchOf(
    'too-many',
    (step, context) => (/-[01]$/.test(context.runId) ? Promise.reject(new Error('bad')) : work(step, context)),
    4,
    { maxFailures: 1 },
  );
  await using host = await hostOn(server, [jobs.parent, jobs.child]);
  await host.start(jobs.parent, 'b1', { items: 100 });
  await seen.times('working', 2);
  await eventually(async () => (await lastOf(host, jobs.parent)).event.data.outcome).toBe('failed');
  const last = await lastOf(host, jobs.parent);
  expect(last.event.data.snapshot.output).toMatchObject({ done: 2, failed: 2, total: 100 });
  await expectCancelledAfter(host, jobs, last);
});

/** Every child has ended, and none has begun since the batch did. */
async function expectCancelledAfter(client: Client, { child }: { child: TestJob }, end: StoredRunEvent) {
  await nothingLeft(client);
  const ofChildren = await client.historyOf(child);
  const ended = ofChildren.filter(({ event }) => event.data.outcome !== undefined);
  const begun = ofChildren.filter(({ event }) => event.type === 'almanac.run.started');
  expect(ended.length).toBe(begun.length);
  expect(ended.map(({ event }) => event.data.outcome)).toContain('cancelled');
  for (const { sequence } of begun) expect(sequence).toBeLessThan(end.sequence);
}
const cancel = (client: Client, job: string) =>
  client.commands.signal({ jobType: jobTypeId(job), runId: runId('b1') }, { event: { type: 'cancel' }, actor: { who: 'operator' } });

it('cancels its children when it is cancelled, and ends when they have', async () => {
  const { seen, work } = gate();
  const jobs = batchOf('cancelled', work, 8);
  await using host = await hostOn(server, [jobs.parent, jobs.child]);
  await host.start(jobs.parent, 'b1', { items: 1_000 });
  await seen.times('working', 8);
  await cancel(host, 'cancelled');
  await eventually(async () => (await lastOf(host, jobs.parent)).event.data.outcome).toBe('cancelled');
  const last = await lastOf(host, jobs.parent);
  expect(last.event.data.snapshot.output).toEqual({ done: 0, failed: 0, total: 1_000, failures: [] });
  expect(ledgerOf(last).outstanding).toEqual([]);
  await expectCancelledAfter(host, jobs, last);
  expect(seen.of('working')).toHaveLength(8);
});

it('cancelled while it starts children, it cancels those, too', async () => {
  await using proxy = await tcpProxy(server);
  const { seen, work } = gate();
  let first = true;
  const jobs = batchOf('cancelled-early', work, 4, {
    childInput: () => {
      if (first) proxy.swallowAnswers();
      first = false;
      return {};
    },
  });
  await using starting = await hostOn(proxy, [jobs.parent], { leaseMs: LEASE_MS });
  await starting.start(jobs.parent, 'b1', { items: 100 });
  await using host = await hostOn(server, [jobs.child], { leaseMs: LEASE_MS });
  await seen.times('working', 4);
  await using desk = await hostOn(server, [jobs.parent], { leaseMs: LEASE_MS });
  await cancel(desk, 'cancelled-early');
  await eventually(async () => ledgerOf(await lastOf(desk, jobs.parent)).ending).toBe('cancelled');
  expect(stateOf(await lastOf(desk, jobs.parent))).toBe('running.starting.executing');
  proxy.cut();
  await eventually(async () => (await lastOf(desk, jobs.parent)).event.data.outcome).toBe('cancelled');
  await expectCancelledAfter(host, jobs, await lastOf(desk, jobs.parent));
});

it('paused, it starts nothing more; resumed, it goes on with the next item', async () => {
  const { seen, work, open } = gate();
  const jobs = batchOf('paused', work, 4);
  await using host = await hostOn(server, [jobs.parent, jobs.child]);
  const tell = (type: string) => host.commands.signal({ jobType: jobTypeId('paused'), runId: runId('b1') }, { event: { type } });
  await host.start(jobs.parent, 'b1', { items: 10 });
  await seen.times('working', 4);
  await tell('pause');
  await eventually(async () => ledgerOf(await lastOf(host, jobs.parent)).paused).toBe(true);
  open();
  await eventually(async () => ledgerOf(await lastOf(host, jobs.parent)).progress.done).toBe(4);
  await nothingLeft(host); // and so nobody holds it
  expect(seen.of('working')).toHaveLength(4);
  await tell('resume');
  await expectExact(host, jobs, 10, 4);
});

it('begun anew after a failure, it has children of its own', async () => {
  let broken = true;
  const jobs = batchOf('anew', async (_, { runId: run }) => run, 4, {
    list: async (args) => {
      if (broken && args.cursor !== null) throw new TerminalError('the source is gone');
      return numbered(args);
    },
  });
  await using host = await hostOn(server, [jobs.parent, jobs.child]);
  await host.start(jobs.parent, 'b1', { items: 10 });
  await eventually(async () => (await lastOf(host, jobs.parent)).event.data.outcome).toBe('failed');
  expect((await lastOf(host, jobs.parent)).event.data.snapshot.output).toMatchObject({ error: { message: 'the source is gone' } });
  broken = false;
  await host.commands.again({ jobType: jobTypeId('anew'), runId: runId('b1') }, 'restart');
  await eventually(async () => (await lastOf(host, jobs.parent)).event.data.outcome).toBe('succeeded');
  expect((await lastOf(host, jobs.parent)).event.data.snapshot.output).toEqual({ done: 10, failed: 0, total: 10, failures: [] });
  const anew = new Set((await host.historyOf(jobs.child)).map((stored) => stored.runId).filter((run) => run.includes('r')));
  expect(anew.size).toBe(10);
  expectVerified(jobs.parent, await host.historyOf(jobs.parent, 'b1'));
});
