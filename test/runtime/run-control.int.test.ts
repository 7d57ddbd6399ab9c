/** What people ask of runs, from the request to the answer of the process that carried it out. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { setup } from 'xstate';
import { z } from 'zod';
import { queuedStarts } from '../../src/adapters/nats/queued-starts.ts';
import { natsReplyBox } from '../../src/adapters/nats/reply-box.ts';
import { natsRunHistory } from '../../src/adapters/nats/run-history.ts';
import { natsRunLog } from '../../src/adapters/nats/run-log.ts';
import { systemClock } from '../../src/adapters/system/clock.ts';
import { defineJob } from '../../src/domain/define-job.ts';
import { ConflictError, InvalidCommandError, NotFoundError } from '../../src/domain/errors.ts';
import { type JobTypeId, runId } from '../../src/domain/ids.ts';
import { type ControlRequest, RunControl } from '../../src/runtime/run-control.ts';
import { viewOf } from '../../src/runtime/run-view.ts';
import { type Client, clientOn, hostOn } from '../support/host-on.ts';
import { jobOf, stepsJob, type TestJob } from '../support/jobs.ts';
import { startTestServer, useNatsServer } from '../support/nats-server.ts';
import { Sightings } from '../support/sightings.ts';
import { expectVerified } from '../support/verified.ts';

const server = useNatsServer();
const actor = { who: 'test', why: 'to see' };
const HOUR_MS = 3_600_000;
const request = (id: string, jobType?: string, timeoutMs = 10_000): ControlRequest => ({
  runId: runId(id),
  jobType: jobType as JobTypeId | undefined,
  actor,
  timeoutMs,
});
function controlOf({ connection, manager, publisher, commands }: Client, jobs: readonly TestJob[]): RunControl {
  return new RunControl({
    jobTypes: jobs.map(({ jobType }) => jobType),
    runs: natsRunLog(publisher, manager),
    history: natsRunHistory(connection, manager),
    queue: queuedStarts({ connection, manager }),
    commands,
    replies: natsReplyBox(connection),
    clock: systemClock,
  });
}
const viewIn = async (client: Client, job: TestJob, run: string) => viewOf((await client.historyOf(job, run)).at(-1)!, undefined);

let client: Client;
beforeAll(async () => {
  client = await clientOn(server);
});
afterAll(() => client?.[Symbol.asyncDispose]());

const approval = (id: string) =>
  jobOf(
    setup({}).createMachine({
      id,
      initial: 'open',
      states: {
        open: { on: { approve: 'approved', close: 'succeeded' } },
        approved: { on: { close: 'succeeded' } },
        succeeded: { type: 'final' },
      },
    }),
  );
/** Its calls end when they are told to stop, or after `release`. */
function hanging(id: string, concurrency = 10) {
  const calls = new Sightings();
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const job = stepsJob(
    id,
    ['only'],
    (_, { signal }) => {
      calls.saw('call');
      return Promise.race([released, new Promise((_done, stop) => signal.addEventListener('abort', () => stop(signal.reason)))]);
    },
    { concurrency },
  );
  return { job, calls, release };
}

describe('cancel', () => {
  it('ends a run that goes on, and answers with its new state', async () => {
    const { job, calls } = hanging('goes-on');
    await using host = await hostOn(server, [job]);
    await host.start(job, 'goes-on-1');
    await calls.times('call');
    const control = controlOf(client, [job]);
    expect(await control.cancel(request('goes-on-1'))).toEqual({
      id: 'goes-on-1',
      jobType: 'goes-on',
      state: 'only',
      outcome: 'cancelled',
      answered: true,
    });
    expect((await host.historyOf(job, 'goes-on-1')).at(-1)?.event.data).toMatchObject({ actor, outcome: 'cancelled' });
    const late = control.cancel(request('goes-on-1'));
    await expect(late).rejects.toThrow('run goes-on-1 of goes-on has ended as cancelled: cancel comes too late');
    await expect(late).rejects.toBeInstanceOf(ConflictError);
  });

  it('ends a run that waits for its turn', async () => {
    const { job, calls, release } = hanging('queues', 1);
    await using host = await hostOn(server, [job]);
    await host.start(job, 'first');
    await calls.times('call');
    await host.start(job, 'second');
    expect(await controlOf(client, [job]).cancel(request('second'))).toMatchObject({
      jobType: 'queues',
      outcome: 'cancelled',
      answered: true,
    });
    release();
    await host.seen.times('ended', 2);
    expect(calls.of('call')).toHaveLength(1);
  });

  it('of a run that nobody knows is refused, and nothing is sent', async () => {
    const { job } = hanging('knows-nobody');
    await using _host = await hostOn(server, [job]);
    const lastCommand = async () => (await client.manager.streams.info('COMMANDS')).state.last_seq;
    const before = await lastCommand();
    const control = controlOf(client, [job]);
    for (const jobType of [undefined, 'knows-nobody', 'unheard-of']) {
      const refused = control.cancel(request('nobody', jobType));
      await expect(refused).rejects.toBeInstanceOf(NotFoundError);
      await expect(refused).rejects.toThrow(/there is no run nobody.*see almanac run list/);
    }
    expect(await lastCommand()).toBe(before);
  });

  it('of an id that several job types have wants to know which one', async () => {
    const jobs = [approval('one'), approval('other')];
    await using host = await hostOn(server, jobs);
    for (const job of jobs) await host.start(job, 'shared');
    await host.seen.times('started', 2);
    const control = controlOf(client, jobs);
    await expect(control.cancel(request('shared'))).rejects.toThrow(/exists in several job types: one, other; name one with --job/);
    expect(await control.cancel(request('shared', 'other'))).toMatchObject({ jobType: 'other', outcome: 'cancelled' });
    expect((await host.historyOf(jobs[0]!, 'shared')).at(-1)?.event.data.outcome).toBeUndefined();
  });
});

describe('an answer that does not come', () => {
  it('leaves the command, which is carried out as soon as somebody is there', async () => {
    await using own = await startTestServer();
    const job = approval('left-alone');
    const away = await hostOn(own, [job]);
    await away.start(job, 'left-alone-1');
    await away.seen.times('started');
    await away.stop();
    await using asking = await clientOn(own);
    const control = controlOf(asking, [job]);
    const before = { id: 'left-alone-1', jobType: 'left-alone', state: 'open', outcome: null, answered: false };
    expect(await control.signal(request('left-alone-1', undefined, 50), { type: 'approve' })).toEqual(before);
    expect(await control.cancel(request('left-alone-1', undefined, 0))).toEqual(before);
    await using back = await hostOn(own, [job]);
    expect(await back.seen.times('ended')).toEqual(['cancelled']);
    expect((await back.historyOf(job, 'left-alone-1')).map(({ event }) => event.data.event?.type)).toEqual([
      'xstate.init',
      'approve',
      'almanac.cancel',
    ]);
  });
});

describe('signal', () => {
  it('is heard with all it says, or refused with what the run listens to', async () => {
    const job = approval('listens');
    await using host = await hostOn(server, [job]);
    await host.start(job, 'listens-1');
    await host.seen.times('started');
    const control = controlOf(client, [job]);
    expect(await viewIn(client, job, 'listens-1')).toMatchObject({ state: 'open', waiting: { until: null } });
    const refused = control.signal(request('listens-1'), { type: 'sing' });
    await expect(refused).rejects.toBeInstanceOf(ConflictError);
    await expect(refused).rejects.toThrow("does not listen to 'sing' in state open; it listens to: approve, close, cancel");
    expect(await control.signal(request('listens-1'), { type: 'close', page: 5 })).toMatchObject({
      state: 'succeeded',
      outcome: 'succeeded',
    });
    const history = await host.historyOf(job, 'listens-1');
    expect(history.at(-1)?.event.data).toMatchObject({ event: { type: 'close', page: 5 }, actor });
    expect(await viewIn(client, job, 'listens-1')).toMatchObject({ outcome: 'succeeded', waiting: null });
  });

  it.each([
    ['no type', { type: '' }],
    ['more than a command may be', { type: 'close', text: 'x'.repeat(60_000) }],
  ])('with %s is not even sent', async (_, event) => {
    await expect(controlOf(client, []).signal(request('r1'), event)).rejects.toBeInstanceOf(InvalidCommandError);
  });
});

const inSteps = (id: string, run: () => Promise<string>, initialMs: number): TestJob =>
  defineJob({
    id,
    summary: 'for a test',
    input: z.strictObject({}),
    retry: { initialMs, maxMs: initialMs, jitter: 'none', maxAttempts: 2 },
  })
    .step('work', { output: z.string(), run })
    .build();

describe('retry', () => {
  it('has a run that waits between attempts try now, though it was held by nobody', async () => {
    await using own = await startTestServer(); // where the wake may lie until its time comes
    const calls = new Sightings();
    const job = inSteps(
      'waits',
      () => {
        calls.saw('call');
        return calls.of('call').length === 1 ? Promise.reject(new Error('not yet')) : Promise.resolve('done');
      },
      HOUR_MS,
    );
    await using host = await hostOn(own, [job]);
    await host.start(job, 'waits-1');
    await expect
      .poll(() => viewIn(host, job, 'waits-1'))
      .toMatchObject({
        state: 'running.work.backingOff',
        waiting: { until: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) },
      });
    const control = controlOf(host, [job]);
    expect(await control.retry(request('waits-1'))).toMatchObject({ state: 'running.work.executing', outcome: null, answered: true });
    expect(await host.seen.times('ended')).toEqual(['succeeded']);
    expectVerified(job, await host.historyOf(job, 'waits-1'));
  });

  it('begins a run anew that has failed, and answers when it has', async () => {
    const calls = new Sightings();
    const job = inSteps(
      'fails',
      () => {
        calls.saw('call');
        return calls.of('call').length <= 2 ? Promise.reject(new Error('not yet')) : new Promise(() => undefined);
      },
      1,
    );
    await using host = await hostOn(server, [job], { activityGraceMs: 10 });
    await host.start(job, 'fails-1');
    expect(await host.seen.times('ended')).toEqual(['failed']);
    const control = controlOf(client, [job]);
    const answers = await Promise.all([control.retry(request('fails-1')), control.retry(request('fails-1'))]);
    expect(answers.map(({ state, outcome, answered }) => ({ state, outcome, answered }))).toEqual(
      Array(2).fill({ state: 'running.work.executing', outcome: null, answered: true }),
    );
    const history = await host.historyOf(job, 'fails-1');
    expect(history.filter(({ event }) => event.type === 'almanac.run.restarted')).toHaveLength(1);
    expect(history.find(({ event }) => event.type === 'almanac.run.restarted')?.event.data.actor).toEqual(actor);
    await expect(control.retry(request('fails-1'))).rejects.toThrow(
      "does not listen to 'retry' in state running.work.executing; it listens to: pause, resume, cancel",
    );
    await control.cancel(request('fails-1'));
  });

  it('of a run that has ended well is refused', async () => {
    const job = approval('ended-well');
    await using host = await hostOn(server, [job]);
    await host.start(job, 'ended-well-1');
    await host.seen.times('started');
    const control = controlOf(client, [job]);
    await control.signal(request('ended-well-1'), { type: 'close' });
    const refused = control.retry(request('ended-well-1'));
    await expect(refused).rejects.toBeInstanceOf(ConflictError);
    await expect(refused).rejects.toThrow('run ended-well-1 of ended-well has ended as succeeded: there is nothing to try again');
  });
});

it('a job of steps is paused between its steps and goes on; a second pause is refused by its guard', async () => {
  const { promise: gate, resolve: open } = Promise.withResolvers<string>();
  const job = inSteps('pauses', () => gate, 1);
  await using host = await hostOn(server, [job]);
  await host.start(job, 'pauses-1');
  await host.seen.times('started');
  const control = controlOf(client, [job]);
  expect(await control.signal(request('pauses-1'), { type: 'pause' })).toMatchObject({ outcome: null, answered: true });
  await expect(control.signal(request('pauses-1'), { type: 'pause' })).rejects.toThrow(
    "refuses 'pause' in state running.work.executing, by a guard",
  );
  expect(await control.signal(request('pauses-1'), { type: 'resume' })).toMatchObject({ answered: true });
  open('done');
  expect(await host.seen.times('ended')).toEqual(['succeeded']);
  expect((await host.historyOf(job, 'pauses-1')).map(({ event }) => event.data.actor)).toEqual([undefined, actor, actor, undefined]);
});
