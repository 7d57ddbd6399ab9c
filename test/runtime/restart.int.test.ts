/** Runs that have failed: one dead letter for each life, and a new life in the same history when it is redriven. */
import type { Msg } from '@nats-io/transport-node';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type AnyStateMachine, setup } from 'xstate';
import { z } from 'zod';
import type { Activity, ActivityContext } from '../../src/domain/activity.ts';
import { defineJob } from '../../src/domain/define-job.ts';
import { jobTypeId, runId } from '../../src/domain/ids.ts';
import { activity } from '../../src/domain/statechart/declare-activity.ts';
import type { DeadLetterOperations } from '../../src/runtime/dead-letter-operations.ts';
import type { StoredRunEvent } from '../../src/runtime/ports.ts';
import { commandsLeft } from '../support/commands-left.ts';
import { deadLettersOf } from '../support/dead-letter-operations.ts';
import { type Client, clientOn, hostOn } from '../support/host-on.ts';
import { jobOf, stepsJob, type TestJob } from '../support/jobs.ts';
import { useNatsServer } from '../support/nats-server.ts';
import { Sightings } from '../support/sightings.ts';
import { tcpProxy } from '../support/tcp-proxy.ts';
import { expectVerified } from '../support/verified.ts';

const server = useNatsServer();
const me = { who: 'test', why: 'repaired' };
let client: Client;
let letters: DeadLetterOperations;
beforeAll(async () => {
  client = await clientOn(server);
  letters = deadLettersOf(client);
});
afterAll(() => client?.[Symbol.asyncDispose]());
beforeEach(() => client.manager.streams.purge('DEAD_LETTERS'));

const types = (history: readonly StoredRunEvent[]) => history.map(({ event }) => event.type.replace('almanac.run.', ''));
const nothingLeft = () => expect.poll(() => commandsLeft(client.connection), { timeout: 10_000 }).toEqual({ stored: 0, unacknowledged: 0 });
const redrive = async (...ids: number[]) => letters.carryOut('redrive', await letters.planNamed('redrive', ids), me);
const restart = (job: TestJob, run: string) => client.commands.again({ jobType: jobTypeId(job.jobType.id), runId: runId(run) }, 'restart');
/** The only letter there is. */
async function theLetter() {
  const all = await letters.list({}, 10);
  expect(all).toHaveLength(1);
  return all[0]!;
}

/** Fails so often, over all lives, and remembers with which idempotency keys it was called. */
function failing(times: number) {
  const keys: string[] = [];
  const work = async (_: unknown, { idempotencyKey }: ActivityContext) => {
    keys.push(idempotencyKey);
    if (keys.length <= times) throw new Error(`attempt ${keys.length} failed`, { cause: new Error('the disk is on fire') });
    return 'done';
  };
  return { keys, work };
}
const threeAttempts = (id: string, work: (input: unknown, context: ActivityContext) => Promise<string>): TestJob =>
  defineJob({ id, summary: 'for a test', input: z.strictObject({ n: z.int() }), retry: { maxAttempts: 3, initialMs: 1, jitter: 'none' } })
    .step('work', { output: z.string(), run: (args, context) => work(args, context) })
    .build();

describe('a job that has failed three times', () => {
  it('is a dead letter with all that is known, and redriven it succeeds, in the same history, as itself', async () => {
    const { keys, work } = failing(3);
    const job = threeAttempts('fails-thrice', work);
    await using host = await hostOn(server, [job]);
    await host.start(job, 'r1', { n: 1 });
    expect(await host.seen.times('ended')).toEqual(['failed']);
    await nothingLeft();
    const [started] = await host.historyOf(job, 'r1');
    const letter = await theLetter();
    expect(letter).toMatchObject({
      origin: 'run',
      jobType: 'fails-thrice',
      runId: 'r1',
      code: 'RUN_FAILED',
      reason: 'attempt 3 failed',
      stack: expect.stringMatching(/^Error: the disk is on fire\n[\s\S]*\nError: attempt 3 failed\n +at .*restart/),
      attempts: 3,
      subject: 'cmd.fails-thrice.start.normal',
      sendable: true,
      headers: { traceparent: started?.event.traceparent },
    });
    expect(JSON.parse(Buffer.from((await letters.show(letter.id)).body).toString())).toEqual({ key: 'r1', input: { n: 1 } });

    expect(await redrive(letter.id)).toEqual({ letters: [{ id: letter.id, result: 'redriven' }], left: 0, problem: null });
    expect(await host.seen.times('ended', 2)).toEqual(['failed', 'succeeded']);
    await nothingLeft();
    const history = await host.historyOf(job, 'r1');
    expectVerified(job, history);
    const lifeOf = ['transitioned', 'transitioned', 'transitioned', 'transitioned', 'finished'];
    expect(types(history)).toEqual(['started', ...lifeOf, 'restarted', 'finished']);
    expect(history[6]?.event.data).toMatchObject({ from: 'failed', input: { n: 1 }, actor: me });
    expect(new Set(history.map(({ event }) => event.traceparent)).size).toBe(1);
    expect(new Set(keys).size).toBe(4); // nothing of the first life is taken for a part of the second
    expect(await letters.list({}, 10)).toEqual([]);
  });

  it('twice over is two letters, one for each life', async () => {
    const job = threeAttempts('fails-on', failing(6).work);
    await using host = await hostOn(server, [job]);
    await host.start(job, 'r1', { n: 1 });
    await host.seen.times('ended');
    await nothingLeft();
    const first = await theLetter();
    await restart(job, 'r1');
    await host.seen.times('ended', 2);
    await nothingLeft();
    expect((await letters.list({}, 10)).map(({ reason }) => reason)).toEqual(['attempt 6 failed', 'attempt 3 failed']);
    await redrive(first.id);
    expect(await host.seen.times('ended', 3)).toEqual(['failed', 'failed', 'succeeded']);
    expectVerified(job, await host.historyOf(job, 'r1'));
  });
});

it('redriven by two people at once, it begins anew once', async () => {
  const job = stepsJob('wanted-twice', ['only'], failing(1).work);
  await using host = await hostOn(server, [job]);
  await host.start(job, 'r1');
  await host.seen.times('ended');
  await nothingLeft();
  const planned = [await theLetter()];
  const settled = await Promise.all([1, 2].map(() => letters.carryOut('redrive', planned, me)));
  expect(settled.map(({ letters: [letter] }) => letter?.result).toSorted()).toEqual(['gone', 'redriven']);
  await restart(job, 'r1'); // and a third one, by another command
  await host.seen.times('ended', 2);
  await nothingLeft();
  expect(types(await host.historyOf(job, 'r1'))).toEqual(['started', 'finished', 'restarted', 'finished']);
});

it.each(['succeeded', 'approved'])('a run that has ended as %s meanwhile is left alone', async (outcome) => {
  const machine: AnyStateMachine = setup({ actors: { work: activity<undefined, unknown>() } }).createMachine({
    id: `ended-${outcome}`,
    initial: 'working',
    options: { maxIterations: 100 },
    states: { working: { invoke: { id: 'work', src: 'work', onDone: outcome } }, [outcome]: { type: 'final' } },
  });
  const job = jobOf(machine, { work: async () => null });
  await using host = await hostOn(server, [job]);
  await host.start(job, 'r1');
  await host.seen.times('ended');
  await nothingLeft();
  await restart(job, 'r1');
  await nothingLeft();
  expect(types(await host.historyOf(job, 'r1'))).toEqual(['started', 'finished']);
  expect(await letters.list({}, 10)).toEqual([]);
});

it('a run that was cancelled is no dead letter, and begins anew when asked', async () => {
  const calls = new Sightings();
  const job = stepsJob('cancelled', ['only'], (_, { signal }) => {
    calls.saw('call');
    if (calls.of('call').length > 1) return Promise.resolve(null);
    return new Promise((_done, stop) => signal.addEventListener('abort', stop));
  });
  await using host = await hostOn(server, [job]);
  await host.start(job, 'r1');
  await calls.times('call');
  await host.commands.signal({ jobType: jobTypeId('cancelled'), runId: runId('r1') }, { event: { type: 'cancel' } });
  await host.seen.times('ended');
  await nothingLeft();
  expect(await letters.list({}, 10)).toEqual([]);
  await restart(job, 'r1');
  expect(await host.seen.times('ended', 2)).toEqual(['cancelled', 'succeeded']);
  expectVerified(job, await host.historyOf(job, 'r1'));
});

it.each(['continue', 'restart'] as const)(
  '%s of a run that never was is refused, and can be sent again when there is one',
  async (again) => {
    const job = stepsJob(`unknown-to-${again}`, ['only'], failing(1).work);
    await using host = await hostOn(server, [job]);
    const { promise: answered, resolve } = Promise.withResolvers<Msg>();
    host.connection.subscribe('answers', { max: 1, callback: (_, message) => resolve(message) });
    await host.commands.again({ jobType: jobTypeId(job.jobType.id), runId: runId('r1') }, again, { replyTo: 'answers' });
    const reason = `there is no run r1 of ${job.jobType.id}`;
    expect((await answered).json()).toEqual({ code: 'RUN_UNKNOWN', reason });
    const letter = await theLetter();
    expect(letter).toMatchObject({ origin: 'command', code: 'RUN_UNKNOWN', reason, sendable: true });

    await host.start(job, 'r1');
    expect(await host.seen.times('ended')).toEqual(['failed']);
    await nothingLeft();
    await redrive(letter.id);
    await nothingLeft();
    const lives = { continue: ['started', 'finished'], restart: ['started', 'finished', 'restarted', 'finished'] };
    expect(types(await host.historyOf(job, 'r1'))).toEqual(lives[again]);
  },
);

it('a signal that was refused is sent again as it was', async () => {
  const machine = setup({}).createMachine({
    id: 'not-yet-listening',
    initial: 'closed',
    states: { closed: { on: { open: 'open' } }, open: { on: { close: 'succeeded' } }, succeeded: { type: 'final' } },
  });
  const job = jobOf(machine);
  await using host = await hostOn(server, [job]);
  await host.start(job, 'r1');
  await host.seen.times('started');
  const address = { jobType: jobTypeId('not-yet-listening'), runId: runId('r1') };
  await host.commands.signal(address, { event: { type: 'close', n: 1 }, actor: { who: 'me' } });
  await expect.poll(() => letters.list({}, 1)).toMatchObject([{ origin: 'signal', runId: 'r1', code: 'EVENT_REFUSED', sendable: true }]);
  await host.commands.signal(address, { event: { type: 'open' } });
  await nothingLeft();
  await redrive((await theLetter()).id);
  await host.seen.times('ended');
  expect((await host.historyOf(job, 'r1')).at(-1)?.event.data).toMatchObject({ event: { type: 'close', n: 1 }, actor: { who: 'me' } });
});

it('its command, which continued a run that was woken, leads back to that run when it was laid aside', async () => {
  const before = stepsJob('changed', ['first'], (_, { signal }) => new Promise((_done, stop) => signal.addEventListener('abort', stop)));
  const first = await hostOn(server, [before]);
  await first.start(before, 'r1');
  await first.seen.times('started');
  await first.manager.streams.purge('COMMANDS'); // lost, and its holder with it
  await first.stop();
  await client.commands.again({ jobType: jobTypeId('changed'), runId: runId('r1') }, 'continue');
  await using changed = await hostOn(server, [stepsJob('changed', ['first', 'second'], failing(0).work)], { triesBeforeSuspending: 1 });
  await changed.seen.times('held back');
  await nothingLeft();
  const letter = await theLetter();
  expect(letter).toMatchObject({ origin: 'run', runId: 'r1', code: 'DEFINITION_CHANGED', sendable: true });
  await changed.stop();
  const repaired = stepsJob('changed', ['first'], failing(0).work);
  await using host = await hostOn(server, [repaired]);
  await redrive(letter.id);
  expect(await host.seen.times('ended')).toEqual(['succeeded']);
  expectVerified(repaired, await host.historyOf(repaired, 'r1'));
});

/** Starts one child and waits for as many reports as it is told. */
function parentOf(id: string, child: TestJob, reports: number): TestJob {
  const begin: Activity<undefined, null> = async (_, { children }) => {
    await children.start([{ jobType: child.jobType.id, runId: 'child', input: {} }]);
    return null;
  };
  const heard = Array.from({ length: reports }, (_, at) => [
    `heard${at}`,
    { on: { 'child.finished': at + 1 === reports ? 'succeeded' : `heard${at + 1}` } },
  ]);
  const machine: AnyStateMachine = setup({ actors: { begin: activity<undefined, null>() } }).createMachine({
    id,
    initial: 'beginning',
    options: { maxIterations: 100 },
    states: {
      beginning: { invoke: { id: 'begin', src: 'begin', onDone: 'heard0' } },
      ...Object.fromEntries(heard),
      succeeded: { type: 'final' },
    },
  });
  return jobOf(machine, { begin });
}

it('a child that begins anew reports to its parent again', async () => {
  const child = stepsJob('child', ['only'], failing(1).work);
  const parent = parentOf('parent', child, 2);
  await using host = await hostOn(server, [child, parent]);
  await host.start(parent, 'r1');
  await expect.poll(async () => (await host.historyOf(parent, 'r1')).at(-1)?.event.data.to).toBe('heard1');
  await nothingLeft();
  await redrive((await theLetter()).id);
  await expect.poll(async () => (await host.historyOf(parent, 'r1')).at(-1)?.event.data.to).toBe('succeeded');
  await nothingLeft();
  const reports = (await host.historyOf(parent, 'r1')).flatMap(({ event }) =>
    event.data.event?.child === 'child' ? [event.data.event] : [],
  );
  expect(reports).toMatchObject([{ outcome: 'failed' }, { outcome: 'succeeded' }]);
  expectVerified(child, await host.historyOf(child, 'child'));
});

it('a holder that is lost right after the last append leaves one letter, written by whoever finds the run', async () => {
  const calls = new Sightings();
  const { promise: fail, reject } = Promise.withResolvers<never>();
  const job = stepsJob('lost-at-the-end', ['only'], () => {
    calls.saw('call');
    return fail;
  });
  await using proxy = await tcpProxy(server);
  await using lost = await hostOn(proxy, [job], { leaseMs: 500 });
  await lost.start(job, 'r1');
  await calls.times('call');
  proxy.swallowAnswers(); // its append arrives, and it never hears that it did
  reject(new Error('out of paper'));
  await expect.poll(async () => types(await client.historyOf(job, 'r1'))).toEqual(['started', 'finished']);
  proxy.refuse();
  expect(await letters.list({}, 10)).toEqual([]);
  await using other = await hostOn(server, [job], { leaseMs: 500 });
  await nothingLeft();
  expect(await theLetter()).toMatchObject({ code: 'RUN_FAILED', reason: 'out of paper', attempts: 1 });
  proxy.heal(); // back again, it finds its append stored, and says the same
  await expect.poll(() => lost.seen.of('ended'), { timeout: 15_000 }).toEqual(['failed']);
  await lost.stop();
  await nothingLeft();
  await theLetter();
  expect(types(await other.historyOf(job, 'r1'))).toEqual(['started', 'finished']);
});

it('a restart that its own code keeps from beginning is laid aside, and is one still when it is sent again', async () => {
  const job = stepsJob('breaks', ['only'], failing(1).work);
  await using host = await hostOn(server, [job]);
  await host.start(job, 'r1');
  await host.seen.times('ended');
  await nothingLeft();
  const letter = await theLetter();
  await host.stop();
  const broken = jobOf(
    setup({}).createMachine({
      id: 'breaks',
      context: () => {
        throw new Error('a typo');
      },
      initial: 'idle',
      states: { idle: {} },
    }),
  );
  await using worse = await hostOn(server, [broken], { triesBeforeSuspending: 1 });
  await redrive(letter.id);
  await worse.seen.times('held back');
  await nothingLeft();
  const again = await theLetter();
  expect(again).toMatchObject({ origin: 'run', runId: 'r1', code: 'STATECHART_CODE' });
  await worse.stop();
  await using repaired = await hostOn(server, [stepsJob('breaks', ['only'], failing(0).work)]);
  await redrive(again.id);
  expect(await repaired.seen.times('ended')).toEqual(['succeeded']);
  expect(types(await client.historyOf(job, 'r1'))).toEqual(['started', 'finished', 'restarted', 'finished']);
});
