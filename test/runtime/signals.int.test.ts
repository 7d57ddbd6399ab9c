/** Events from outside, for runs that are held, waiting, queued, gone or unknown. */
import { headers, type Msg } from '@nats-io/transport-node';
import { expect, it } from 'vitest';
import { type AnyStateMachine, assign, setup } from 'xstate';
import { z } from 'zod';
import { natsAnnouncer } from '../../src/adapters/nats/announcer.ts';
import { natsDeadLetters } from '../../src/adapters/nats/dead-letters.ts';
import { natsLeases } from '../../src/adapters/nats/leases.ts';
import { natsRefusals } from '../../src/adapters/nats/refusals.ts';
import { natsRunHistory } from '../../src/adapters/nats/run-history.ts';
import { natsRunLog } from '../../src/adapters/nats/run-log.ts';
import { systemClock } from '../../src/adapters/system/clock.ts';
import { processIdentity } from '../../src/adapters/system/identity.ts';
import type { Activity } from '../../src/domain/activity.ts';
import { defineJob } from '../../src/domain/define-job.ts';
import { instant, jobTypeId, runId } from '../../src/domain/ids.ts';
import { resolvePolicy } from '../../src/domain/run-policy.ts';
import { activity } from '../../src/domain/statechart/declare-activity.ts';
import { runnable } from '../../src/runtime/job-types.ts';
import type { Lease, StoredRunEvent } from '../../src/runtime/ports.ts';
import { SignalDesk, type SignalDeskOptions } from '../../src/runtime/signal-desk.ts';
import { deadLetters } from '../../streams/dead-letters.stream.ts';
import { commandsLeft } from '../support/commands-left.ts';
import { type Client, clientOn, hostOn } from '../support/host-on.ts';
import { jobOf, stepsJob, type TestJob } from '../support/jobs.ts';
import { startTestServer, useNatsServer } from '../support/nats-server.ts';
import { Sightings, sightingLog } from '../support/sightings.ts';
import { tcpProxy } from '../support/tcp-proxy.ts';
import { expectVerified } from '../support/verified.ts';

const server = useNatsServer();
const types = (history: readonly StoredRunEvent[]) => history.map(({ event }) => event.type.replace('almanac.run.', ''));
const nothingLeft = (client: Client) => expect.poll(() => commandsLeft(client.connection)).toEqual({ stored: 0, unacknowledged: 0 });
const signal = (client: Client, job: TestJob, run: string, type: string, more: object = {}) =>
  client.commands.signal(
    { jobType: jobTypeId(job.jobType.id), runId: runId(run) },
    { event: { type, ...more }, actor: { who: 'operator', why: 'a test' } },
  );
const lastLetter = async ({ manager }: Client, subject: string) => {
  const letter = await manager.streams.getMessage(deadLetters.name, { last_by_subj: subject });
  return letter === null ? null : { code: letter.header.get('Almanac-Reason-Code'), reason: letter.header.get('Almanac-Reason') };
};

const approval: AnyStateMachine = setup({
  types: { context: {} as { approvals: unknown[] }, events: {} as { type: 'approve'; by: string } | { type: 'close' } },
  actions: { keep: assign({ approvals: ({ context, event }) => [...context.approvals, 'by' in event ? event.by : null] }) },
  actors: { publish: activity<undefined, null>() },
}).createMachine({
  id: 'approval',
  context: { approvals: [] },
  initial: 'open',
  options: { maxIterations: 100 },
  states: {
    open: { on: { approve: { actions: 'keep' }, close: 'publishing' } },
    publishing: { invoke: { id: 'publish', src: 'publish', onDone: 'succeeded' } },
    succeeded: { type: 'final' },
  },
  output: ({ context }) => context.approvals,
});
const approvalJob = jobOf(approval, { publish: async () => null });

/** Waits until it is told to stop, or released. */
function untilAborted() {
  const seen = new Sightings();
  const { promise, resolve: release } = Promise.withResolvers<void>();
  const work: Activity<unknown, unknown> = (_, { signal: abort }) => {
    seen.saw('started');
    return new Promise((resolve, reject) => {
      void promise.then(() => resolve('released'));
      abort.addEventListener('abort', () => {
        seen.saw('aborted', (abort.reason as Error).message);
        reject(abort.reason);
      });
    });
  };
  return { seen, work, release };
}

it('cancel ends a run whose statechart knows nothing of it, and its activity is told', async () => {
  const { seen, work } = untilAborted();
  const job = stepsJob('plain', ['only'], work);
  await using host = await hostOn(server, [job]);
  await host.start(job, 'r1');
  await seen.times('started');
  await signal(host, job, 'r1', 'cancel');
  await seen.times('aborted');
  expect(await host.seen.times('ended')).toEqual(['cancelled']);
  await nothingLeft(host);
  const history = await host.historyOf(job, 'r1');
  expect(types(history)).toEqual(['started', 'finished']);
  expect(history[1]?.event.data).toMatchObject({
    event: { type: 'almanac.cancel' },
    from: 'only',
    outcome: 'cancelled',
    actor: { who: 'operator', why: 'a test' },
  });
  expectVerified(job, history);
});

const threeChances = (id: string, work: Activity<unknown, unknown>, initialMs: number) =>
  defineJob({
    id,
    summary: 'for a test',
    input: z.strictObject({}),
    concurrency: 10,
    retry: { initialMs, maxMs: 3_600_000, jitter: 'none' },
  })
    .step('work', { output: z.json(), run: async (args, context) => ((await work(args, context)) ?? null) as never })
    .build();

it('a job of steps is cancelled, paused and resumed by its own statechart', async () => {
  const { seen, work, release } = untilAborted();
  const job = threeChances('steps', work, 1_000);
  await using host = await hostOn(server, [job]);
  await host.start(job, 'cancelled');
  await host.start(job, 'paused');
  await seen.times('started', 2);
  await signal(host, job, 'cancelled', 'cancel');
  expect(await host.seen.times('ended')).toEqual(['cancelled']);
  await signal(host, job, 'paused', 'pause'); // takes effect between steps
  await expect.poll(async () => types(await host.historyOf(job, 'paused'))).toEqual(['started', 'transitioned']);
  await signal(host, job, 'paused', 'resume');
  await expect.poll(async () => types(await host.historyOf(job, 'paused'))).toEqual(['started', 'transitioned', 'transitioned']);
  release();
  expect(await host.seen.times('ended', 2)).toEqual(['cancelled', 'succeeded']);
  await nothingLeft(host);
  for (const run of ['cancelled', 'paused']) expectVerified(job, await host.historyOf(job, run));
});

it('a run that waits for its next attempt, held by nobody, is cancelled without being held again', async () => {
  const fails: Activity<unknown, unknown> = () => Promise.reject(new Error('not yet'));
  const job = threeChances('parked', fails, 3_600_000);
  await using ownServer = await startTestServer(); // where the wake may lie until its time comes
  await using host = await hostOn(ownServer, [job]);
  await host.start(job, 'r1');
  await expect.poll(async () => (await host.historyOf(job, 'r1')).at(-1)?.event.data.parked).toBeDefined();
  await signal(host, job, 'r1', 'cancel');
  expect(await host.seen.times('ended')).toEqual(['cancelled']);
  expect(types(await host.historyOf(job, 'r1'))).toEqual(['started', 'transitioned', 'finished']);
});

const sequences: string[] = [];
/** Where the signal would lie in the stream: the same for each delivery of it. */
function sequenceOf(signal: string): number {
  if (!sequences.includes(signal)) sequences.push(signal);
  return 1_000_000 + sequences.indexOf(signal);
}

/** A delivery of a signal to a process that holds nothing, as the server would make it. */
function delivered(
  job: TestJob,
  run: string,
  type: string,
  delivery: number,
  publishedAt = instant(0),
): Lease & { readonly settled: string[] } {
  const settled: string[] = [];
  return {
    subject: `cmd.${job.jobType.id}.signal.${run}`,
    command: sequenceOf(`${job.jobType.id}/${run}/${type}`),
    delivery,
    publishedAt,
    body: Buffer.from(JSON.stringify({ event: { type } })),
    headers: {},
    acknowledge: () => void settled.push('acknowledged'),
    extend: () => undefined,
    handBack: () => void settled.push('handed back'),
    settled,
  };
}

async function deskOn(client: Client, { jobType, activities }: TestJob, more: Partial<SignalDeskOptions> = {}): Promise<SignalDesk> {
  const { connection, manager, publisher, commands } = client;
  const log = sightingLog(new Sightings());
  return new SignalDesk(
    {
      runs: natsRunLog(publisher, manager),
      history: natsRunHistory(connection, manager),
      leases: natsLeases(connection, manager, log),
      commands,
      clock: systemClock,
      identity: processIdentity(),
      observer: { started: () => undefined, ended: () => undefined, heldBack: () => undefined },
      refusals: natsRefusals(connection, manager),
      parkAfterMs: 5_000,
      policy: resolvePolicy({}),
      deadLetters: natsDeadLetters(publisher),
      announcer: natsAnnouncer(connection),
      log,
      ...more,
    },
    runnable(jobType, activities),
  );
}

it('is carried out by another process than the holder, which hears of it', async () => {
  const { seen, work } = untilAborted();
  const job = stepsJob('elsewhere', ['only'], work);
  await using holder = await hostOn(server, [job]);
  await holder.start(job, 'r1');
  await seen.times('started');
  const desk = await deskOn(holder, job);
  const lease = delivered(job, 'r1', 'cancel', 1);
  await desk.hear(lease);
  expect(lease.settled).toEqual(['acknowledged']);
  await seen.times('aborted');
  await nothingLeft(holder);
  const history = await holder.historyOf(job, 'r1');
  expect(types(history)).toEqual(['started', 'finished']);
  expect(history[1]?.event.source).not.toBe(history[0]?.event.source);
});

it('is heard once, though it was delivered again because its acknowledgement was lost', async () => {
  await using client = await hostOn(server, [approvalJob]);
  await client.start(approvalJob, 'twice');
  await client.seen.times('started');
  const desk = await deskOn(client, approvalJob);
  for (const delivery of [1, 2, 3]) {
    const lease = delivered(approvalJob, 'twice', 'approve', delivery);
    await desk.hear(lease);
    expect(lease.settled).toEqual(['acknowledged']);
  }
  expect(types(await client.historyOf(approvalJob, 'twice'))).toEqual(['started', 'transitioned']);
});

it('meets the run as it is, though others have moved it since the signal before', async () => {
  const { seen, work } = untilAborted();
  const machine = setup({ actors: { work: activity<undefined, unknown>() }, actions: { count: assign({ heard: 1 }) } }).createMachine({
    id: 'moved-on',
    context: { heard: 0 },
    options: { maxIterations: 100 },
    initial: 'held',
    states: {
      held: {
        invoke: { id: 'work', src: 'work', onError: 'failed' },
        initial: 'closed',
        states: { closed: { on: { knock: { actions: 'count' }, open: 'opened' } }, opened: { on: { enter: { actions: 'count' } } } },
      },
      failed: { type: 'final' },
    },
  });
  const job = jobOf(machine, { work });
  await using host = await hostOn(server, [job]);
  await host.start(job, 'r1');
  await seen.times('started');
  const other = await deskOn(host, job);
  const leases = natsLeases(host.connection, host.manager, sightingLog(new Sightings()));
  const desk = await deskOn(host, job, {
    leases: {
      ...leases,
      async exists(command) {
        await other.hear(delivered(job, 'r1', 'open', 1));
        return leases.exists(command);
      },
    },
  });
  const enter = delivered(job, 'r1', 'enter', 1);
  await Promise.all([desk.hear(delivered(job, 'r1', 'knock', 1)), desk.hear(enter)]);
  const heard = (await host.historyOf(job, 'r1')).map(({ event }) => event.data.event?.type);
  expect([heard, enter.settled]).toEqual([['xstate.init', 'knock', 'open', 'enter'], ['acknowledged']]);
  await signal(host, job, 'r1', 'cancel');
  await host.seen.times('ended');
  await nothingLeft(host);
});

it('is heard once, though a server that crashed counts its deliveries from one again', async () => {
  await using client = await hostOn(server, [approvalJob]);
  await client.start(approvalJob, 'forgotten');
  await client.seen.times('started');
  const desk = await deskOn(client, approvalJob);
  const sentAt = instant(Date.now());
  for (const type of ['approve', 'cancel']) {
    for (const _ of ['delivered', 'delivered again']) {
      const lease = { ...delivered(approvalJob, 'forgotten', type, 1, sentAt), command: type === 'approve' ? 2_000_000 : 2_000_001 };
      await desk.hear(lease);
      expect(lease.settled).toContain('acknowledged');
    }
  }
  expect(types(await client.historyOf(approvalJob, 'forgotten'))).toEqual(['started', 'transitioned', 'finished']);
  const letter = await client.manager.streams.getMessage(deadLetters.name, { last_by_subj: 'dlq.signal.approval' });
  expect(letter?.header.get('Almanac-Run-Id')).not.toBe('forgotten');
});

it('is heard once, though its first receiver was so slow that another one had carried it out by then', async () => {
  await using client = await hostOn(server, [approvalJob]);
  await client.start(approvalJob, 'slow');
  await client.seen.times('started');
  const runs = natsRunLog(client.publisher, client.manager);
  const other = await deskOn(client, approvalJob);
  const sentAt = instant(Date.now());
  const slow = await deskOn(client, approvalJob, {
    runs: {
      ...runs,
      async append(...args) {
        await other.hear(delivered(approvalJob, 'slow', 'approve', 2, sentAt));
        return runs.append(...args);
      },
    },
  });
  const lease = delivered(approvalJob, 'slow', 'approve', 1, sentAt);
  await slow.hear(lease);
  expect(lease.settled).toEqual(['acknowledged']);
  expect(types(await client.historyOf(approvalJob, 'slow'))).toEqual(['started', 'transitioned']);
});

it('refused, and delivered again because that was not acknowledged, it is refused again, though the run has begun anew', async () => {
  await using client = await hostOn(server, [approvalJob]);
  await client.start(approvalJob, 'anew');
  await client.seen.times('started');
  await signal(client, approvalJob, 'anew', 'cancel');
  await client.seen.times('ended');
  const desk = await deskOn(client, approvalJob);
  const sentAt = instant(Date.now());
  await desk.hear(delivered(approvalJob, 'anew', 'approve', 1, sentAt));
  await client.commands.again({ jobType: jobTypeId('approval'), runId: runId('anew') }, 'restart');
  await client.seen.times('started', 2);
  await desk.hear(delivered(approvalJob, 'anew', 'approve', 2, sentAt));
  await signal(client, approvalJob, 'anew', 'approve');
  await expect.poll(async () => types(await client.historyOf(approvalJob, 'anew'))).toHaveLength(4);
  expect(types(await client.historyOf(approvalJob, 'anew'))).toEqual(['started', 'finished', 'restarted', 'transitioned']);
  const { state } = await client.manager.streams.info(deadLetters.name, { subjects_filter: 'dlq.signal.approval' });
  expect(state.subjects).toEqual({ 'dlq.signal.approval': 1 });
});

it('finds its run that began and whose command was settled while it looked', async () => {
  await using client = await hostOn(server, [approvalJob]);
  const log = sightingLog(new Sightings());
  const leases = natsLeases(client.connection, client.manager, log);
  const desk = await deskOn(client, approvalJob, {
    leases: {
      ...leases,
      async findStart(...args) {
        await client.start(approvalJob, 'in-between');
        await nothingLeft(client);
        return leases.findStart(...args);
      },
    },
  });
  await desk.hear(delivered(approvalJob, 'in-between', 'approve', 1, instant(Date.now())));
  expect(types(await client.historyOf(approvalJob, 'in-between'))).toEqual(['started', 'transitioned']);
});

it('a run that begins for it goes on in the lane of its command', async () => {
  const job = stepsJob('laned', ['only'], async () => null, { concurrency: { normal: 1, low: 1 } });
  await using client = await clientOn(server);
  const address = { jobType: jobTypeId('laned'), runId: runId('r1') };
  await client.commands.start({ ...address, input: {}, lane: 'low' });
  const desk = await deskOn(client, job);
  await desk.hear(delivered(job, 'r1', 'cancel', 1, instant(Date.now())));
  expect((await client.historyOf(job, 'r1')).map(({ event }) => event.data.lease.lane)).toEqual(['low', 'low']);
  await using host = await hostOn(server, [job]);
  await nothingLeft(host);
});

it('a run that begins for it, and only waits, is woken in its time by whoever takes its command', async () => {
  const parkAfterMs = 100;
  const machine: AnyStateMachine = setup({
    types: { context: {} as { notes: number } },
    delays: { aWhile: parkAfterMs * 5 },
  }).createMachine({
    id: 'noted',
    context: { notes: 0 },
    initial: 'waiting',
    on: { note: { actions: assign({ notes: ({ context }) => context.notes + 1 }) } },
    states: { waiting: { after: { aWhile: 'succeeded' } }, succeeded: { type: 'final' } },
  });
  const job = jobOf(machine, {});
  await using client = await clientOn(server);
  await client.start(job, 'r1');
  const desk = await deskOn(client, job, { parkAfterMs });
  await desk.hear(delivered(job, 'r1', 'note', 1, instant(Date.now())));
  await using host = await hostOn(server, [job], { parkAfterMs });
  expect(await host.seen.times('ended')).toEqual(['succeeded']);
  await nothingLeft(host);
});

it('is effective although the holder is cut off: whoever takes over finds it in the log', async () => {
  const { seen, work } = untilAborted();
  const job = stepsJob('cut-off', ['only'], work);
  await using proxy = await tcpProxy(server);
  await using cutOff = await hostOn(proxy, [job], { leaseMs: 500 });
  await cutOff.start(job, 'r1');
  await seen.times('started');
  proxy.refuse();
  await using other = await hostOn(server, [job], { leaseMs: 500 });
  await signal(other, job, 'r1', 'cancel');
  expect(await other.seen.times('ended')).toEqual(['cancelled']);
  await nothingLeft(other);
  expect(seen.of('started')).toHaveLength(1);
  proxy.heal();
  await seen.times('aborted'); // back again, the first one looks at what it missed
});

it('a queued run is cancelled before anything of it began', async () => {
  const { seen, work, release } = untilAborted();
  const job = stepsJob('queued', ['only'], work, { concurrency: 1 });
  await using host = await hostOn(server, [job]);
  await host.start(job, 'first');
  await seen.times('started');
  await host.start(job, 'second');
  await signal(host, job, 'second', 'cancel');
  await expect.poll(async () => types(await host.historyOf(job, 'second'))).toEqual(['started', 'finished']);
  release();
  await host.seen.times('ended', 2);
  await nothingLeft(host);
  expect(seen.of('started')).toHaveLength(1);
  expectVerified(job, await host.historyOf(job, 'second'));
});

it('a run that waits for people hears its own events, in order, and goes on with its work when there is some', async () => {
  await using host = await hostOn(server, [approvalJob]);
  await host.start(approvalJob, 'r1');
  await host.seen.times('started');
  await nothingLeft(host); // held by nobody, and no wake
  const people = Array.from({ length: 20 }, (_, n) => `p${n}`);
  for (const by of people) await signal(host, approvalJob, 'r1', 'approve', { by });
  await signal(host, approvalJob, 'r1', 'close');
  expect(await host.seen.times('ended')).toEqual(['succeeded']);
  const history = await host.historyOf(approvalJob, 'r1');
  expect(history.at(-1)?.event.data.snapshot.output).toEqual(people);
  expect(types(history)).toEqual(['started', ...Array(21).fill('transitioned'), 'resumed', 'finished']);
  expectVerified(approvalJob, history);
  await nothingLeft(host);
});

it('refuses what cannot be, with the reason in a dead letter and to whoever asked', async () => {
  await using host = await hostOn(server, [approvalJob]);
  await host.start(approvalJob, 'refusing');
  await host.seen.times('started');
  const subject = 'cmd.approval.signal.refusing';
  const answers = host.connection.subscribe('answers')[Symbol.asyncIterator]();
  const ask = async (body: string, to = subject) => {
    const asked = headers();
    asked.set('Almanac-Reply-To', 'answers');
    host.connection.publish(to, body, { headers: asked });
    return ((await answers.next()).value as Msg).json();
  };
  expect(await ask('{"event":{"type":"approve","by":"x"}}')).toEqual({ state: 'open', outcome: null });
  expect(await ask('{"event":{"type":"dance"}}')).toEqual({
    code: 'EVENT_REFUSED',
    reason: "run refusing of approval does not listen to 'dance' in state open; it listens to: approve, close, cancel",
  });
  expect(await lastLetter(host, 'dlq.signal.approval')).toMatchObject({ code: 'EVENT_REFUSED' });
  expect(await ask('{"event":{"type":"xstate.done.actor.publish"}}')).toMatchObject({ code: 'EVENT_REFUSED' });
  expect(await ask('{"event":{"type":"almanac.cancel"}}')).toMatchObject({ code: 'EVENT_REFUSED' });
  expect(await ask('{"type":"approve"}')).toMatchObject({ code: 'SIGNAL_INVALID' });
  expect(await ask('not json')).toMatchObject({ code: 'COMMAND_NOT_JSON' });
  expect(await ask('{"event":{"type":"approve"}}', 'cmd.approval.signal.nobody')).toEqual({
    code: 'RUN_UNKNOWN',
    reason: 'there is no run nobody of approval',
  });
  expect(await ask('{"event":{"type":"cancel"}}')).toEqual({ state: 'open', outcome: 'cancelled' });
  expect(await ask('{"event":{"type":"cancel"}}')).toEqual({
    code: 'RUN_FINISHED',
    reason: 'run refusing of approval has ended as cancelled: cancel comes too late',
  });
  await nothingLeft(host);
});
