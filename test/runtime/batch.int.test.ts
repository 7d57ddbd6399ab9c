/** Batches: parents that start children within a window, through crashes of either, and whatever happens to a report. */
import { expect, it } from 'vitest';
import type { Activity } from '../../src/domain/activity.ts';
import type { BatchLedger } from '../../src/domain/batch-ledger.ts';
import { TerminalError } from '../../src/domain/errors.ts';
import { jobTypeId, runId } from '../../src/domain/ids.ts';
import { CHILD_FINISHED } from '../../src/domain/signal.ts';
import { describeState } from '../../src/domain/statechart/snapshot.ts';
import type { StoredRunEvent } from '../../src/runtime/ports.ts';
import { commandsLeft } from '../support/commands-left.ts';
import { type Client, hostOn } from '../support/host-on.ts';
import { stepsJob, type TestJob } from '../support/jobs.ts';
import { useNatsServer } from '../support/nats-server.ts';
import { type NumberedOptions, noOpBatch, numbered, numberedBatch } from '../support/no-op-batch.ts';
import { Sightings } from '../support/sightings.ts';
import { type TcpProxy, tcpProxy } from '../support/tcp-proxy.ts';
import { expectVerified } from '../support/verified.ts';

const server = useNatsServer();
const LEASE_MS = 500;
/** Of what takes as long as leases take to run out. */
const SLOWLY = { timeout: 15_000 };
const ledgerOf = ({ event }: StoredRunEvent) => event.data.snapshot.context as unknown as BatchLedger;
const stateOf = ({ event }: StoredRunEvent) => describeState(event.data.snapshot.value);
const reportsIn = (history: readonly StoredRunEvent[]) => history.filter(({ event }) => event.data.event?.type === CHILD_FINISHED);
const lastOf = async (client: Client, job: TestJob) => (await client.historyOf(job, 'b1')).at(-1)!;
const wakesIn = async ({ manager }: Client) =>
  Object.keys((await manager.streams.info('COMMANDS', { subjects_filter: 'cmd.*.wake.*' })).state.subjects ?? {});

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
  await expect.poll(async () => (await lastOf(client, parent)).event.data.outcome, SLOWLY).toBe('succeeded');
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

const nothingLeft = async (client: Client) => {
  await client.manager.streams.purge('COMMANDS', { filter: 'cmd.*.wake.*' }); // of the run's time limit, which lies there until it is looked at
  await expect.poll(() => commandsLeft(client.connection), SLOWLY).toEqual({ stored: 0, unacknowledged: 0 });
};

it('2,000 items go through a window of 64, in events that do not grow, with an event for each and few more', async () => {
  const jobs = noOpBatch(64);
  await using host = await hostOn(server, [jobs.parent, jobs.child]);
  await host.start(jobs.parent, 'b1', { items: 2_000 });
  const bytes: number[] = [];
  await host.followTo(jobs.parent, 'b1', (stored) => bytes.push(stored.bytes.byteLength));
  expect(Math.max(...bytes)).toBeLessThan(4_096);
  expect(Math.max(...bytes.slice(-500))).toBeLessThan(1.1 * Math.max(...bytes.slice(0, 500)));
  const history = await expectExact(host, jobs, 2_000, 64);
  expect(history.length).toBeLessThan(1.15 * 2_000);
  expect((await wakesIn(host)).length).toBeLessThanOrEqual(2);
  await nothingLeft(host);
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
      await expect.poll(async () => stateOf(await lastOf(children, parent))).toBe('running.waiting');
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
    await expect.poll(() => lost.connection.flush().then(() => 'back')).toBe('back');
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
  await expect
    .poll(async () => reportsIn(await again.historyOf(jobs.parent, 'b1')).map(stateOf), SLOWLY)
    .toEqual(Array(4).fill('running.starting.executing'));
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
    await expect.poll(async () => reportsIn(await host.historyOf(jobs.parent, 'b1')).length).toBeGreaterThan(3);
    for (let times = 0; times < 3; times++) await again(`b1-${child}`);
  }
  await expectExact(host, jobs, 10, 4);
  await again('b1-9');
  await nothingLeft(host);
  await expectExact(host, jobs, 10, 4);
  expect(host.seen.of('warning')).toEqual([]); // no dead letter
});

it('goes on past children that fail, are refused or are laid aside, and says which', async () => {
  let broken = true;
  const jobs = batchOf(
    'some-fail',
    async (_, { runId: run }) => (run.endsWith('3') ? Promise.reject(new Error(`${run} is bad`)) : run),
    2,
    {
      childInput: (items) => (items[0] === 5 ? 'no object' : { item: items[0]! }),
    },
  );
  const code = jobs.child.jobType.input;
  const throws = code.refine((input) => {
    if (broken && (input as { item?: number }).item === 6) throw new TypeError('a bug'); // of the deployment
    return true;
  });
  const child = { ...jobs.child, jobType: { ...jobs.child.jobType, input: throws } };
  await using host = await hostOn(server, [jobs.parent, child]);
  await host.start(jobs.parent, 'b1', { items: 20 });
  const done = async () => ledgerOf(await lastOf(host, jobs.parent)).progress.done;
  await expect.poll(done, SLOWLY).toBe(19);
  expect(ledgerOf(await lastOf(host, jobs.parent)).outstanding).toEqual([6]); // the others did not wait for it
  broken = false;
  await expect.poll(async () => (await lastOf(host, jobs.parent)).event.data.outcome, SLOWLY).toBe('completedWithErrors');
  const { output } = (await lastOf(host, jobs.parent)).event.data.snapshot;
  expect(output).toMatchObject({ done: 20, failed: 3, total: 20 });
  expect((output as unknown as BatchLedger).failures).toEqual([
    { child: 'b1-3', outcome: 'failed', ...{} },
    { child: 'b1-5', outcome: 'refused', message: expect.stringContaining('expected object') },
    { child: 'b1-13', outcome: 'failed' },
  ]);
});

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
  await expect.poll(async () => (await lastOf(host, jobs.parent)).event.data.outcome).toBe('failed');
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
  await expect.poll(async () => (await lastOf(host, jobs.parent)).event.data.outcome).toBe('cancelled');
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
  await expect.poll(async () => ledgerOf(await lastOf(desk, jobs.parent)).ending, SLOWLY).toBe('cancelled');
  expect(stateOf(await lastOf(desk, jobs.parent))).toBe('running.starting.executing');
  proxy.cut();
  await expect.poll(async () => (await lastOf(desk, jobs.parent)).event.data.outcome, SLOWLY).toBe('cancelled');
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
  await expect.poll(async () => ledgerOf(await lastOf(host, jobs.parent)).paused).toBe(true);
  open();
  await expect.poll(async () => ledgerOf(await lastOf(host, jobs.parent)).progress.done).toBe(4);
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
  await expect.poll(async () => (await lastOf(host, jobs.parent)).event.data.outcome).toBe('failed');
  expect((await lastOf(host, jobs.parent)).event.data.snapshot.output).toMatchObject({ error: { message: 'the source is gone' } });
  broken = false;
  await host.commands.again({ jobType: jobTypeId('anew'), runId: runId('b1') }, 'restart');
  await expect.poll(async () => (await lastOf(host, jobs.parent)).event.data.outcome).toBe('succeeded');
  expect((await lastOf(host, jobs.parent)).event.data.snapshot.output).toEqual({ done: 10, failed: 0, total: 10, failures: [] });
  const anew = new Set((await host.historyOf(jobs.child)).map((stored) => stored.runId).filter((run) => run.includes('r')));
  expect(anew.size).toBe(10);
  expectVerified(jobs.parent, await host.historyOf(jobs.parent, 'b1'));
});
