/** What people do with dead letters, on the real streams: nothing is sent twice, sent astray, or gone without a trace (invariant 6). */
import { headers } from '@nats-io/transport-node';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createMachine } from 'xstate';
import { natsDeadLetters } from '../../src/adapters/nats/dead-letters.ts';
import { sweepStrays } from '../../src/adapters/nats/strays.ts';
import { systemClock } from '../../src/adapters/system/clock.ts';
import { ConflictError, NotFoundError } from '../../src/domain/errors.ts';
import type { DeadLetterOperations } from '../../src/runtime/dead-letter-operations.ts';
import { commandsLeft } from '../support/commands-left.ts';
import { deadLettersOf, lastAudit } from '../support/dead-letter-operations.ts';
import { type Client, clientOn, hostOn } from '../support/host-on.ts';
import { jobOf, stepsJob } from '../support/jobs.ts';
import { useNatsServer } from '../support/nats-server.ts';
import { Sightings, sightingLog } from '../support/sightings.ts';

const server = useNatsServer();
const me = { who: 'test', why: 'to see' };
let client: Client;
let letters: DeadLetterOperations;
beforeAll(async () => {
  client = await clientOn(server);
  letters = deadLettersOf(client);
});
afterAll(() => client?.[Symbol.asyncDispose]());
beforeEach(async () => {
  for (const stream of ['DEAD_LETTERS', 'COMMANDS']) await client.manager.streams.purge(stream);
});

/** Ids of the letters there are, oldest first. */
const ids = async () => (await letters.list({}, 1_000)).map(({ id }) => id).reverse();
const commandsStored = async () => (await commandsLeft(client.connection)).stored;
async function lastCommand(subject: string) {
  const message = await client.manager.streams.getMessage('COMMANDS', { last_by_subj: subject });
  return message && { text: message.string(), header: (name: string) => message.header?.get(name) };
}
/** As somebody would who has no Almanac. */
async function write(subject: string, body: string | Uint8Array, fields: Record<string, string> = {}): Promise<number> {
  const head = headers();
  for (const [name, value] of Object.entries(fields)) head.set(name, value);
  return (await client.manager.jetstream().publish(subject, body, { headers: head })).seq;
}
/** A command that no process knows, as a dead letter. */
async function stray(jobType: string, body = '{"key":"r1"}', fields: Record<string, string> = {}): Promise<number> {
  await write(`cmd.${jobType}.start.normal`, body, fields);
  await sweepStrays(client.manager, natsDeadLetters(client.publisher), sightingLog(new Sightings()), systemClock);
  return (await ids()).at(-1)!;
}
const redrive = async (...which: number[]) => letters.carryOut('redrive', await letters.planNamed('redrive', which), me);

describe('a run that was laid aside', () => {
  /** Returns its letter. */
  async function layAside(jobType: string, command: string): Promise<number> {
    const hanging = stepsJob(jobType, ['first'], (_, { signal }) => new Promise((_done, stop) => signal.addEventListener('abort', stop)));
    const before = await hostOn(server, [hanging]);
    await write(`cmd.${jobType}.start.normal`, command);
    await before.seen.times('started');
    await before.stop();
    await using changed = await hostOn(server, [stepsJob(jobType, ['first', 'second'], () => Promise.resolve(null))], {
      triesBeforeSuspending: 1,
    });
    await changed.seen.times('held back');
    await expect.poll(() => commandsStored()).toBe(0);
    return (await ids()).at(-1)!;
  }

  it.each([
    ['by a command with a key', 'keyed', '{"key":"r1","input":{"n":1},"actor":{"who":"me"}}'],
    ['by a command without one', 'keyless', '{"input":{"n":1}}'],
    ['by an empty command', 'empty', ''],
  ])('%s goes on as the same run', async (_, jobType, command) => {
    const id = await layAside(jobType, command);
    const [letter] = await letters.list({ origin: 'run', jobType, code: 'DEFINITION_CHANGED' }, 1);
    expect(letter).toMatchObject({
      id,
      origin: 'run',
      jobType,
      runId: expect.any(String),
      attempts: expect.any(Number),
      stack: expect.stringMatching(/^DefinitionChangedError: .*\n +at /),
      subject: `cmd.${jobType}.start.normal`,
    });
    const job = stepsJob(jobType, ['first'], () => Promise.resolve(null));
    await using repaired = await hostOn(server, [job]);
    expect(await redrive(id)).toEqual({ letters: [{ id, result: 'redriven' }], left: 0, problem: null });
    await repaired.seen.times('ended');
    const history = await repaired.historyOf(job, letter!.runId!);
    expect(history.map(({ event }) => event.type.replace('almanac.run.', ''))).toEqual(['started', 'resumed', 'finished']);
    expect(await ids()).toEqual([]);
    expect(await lastAudit(client, 'redriven')).toMatchObject({
      specversion: '1.0',
      type: 'almanac.dead-letter.redriven',
      subject: `dead-letter/${id}`,
      data: {
        letter: id,
        origin: 'run',
        jobType,
        runId: letter!.runId,
        code: 'DEFINITION_CHANGED',
        originSubject: letter!.subject,
        actor: me,
      },
    });
  });
});

it('a statechart that throws tells in the letter where, cause first', async () => {
  const context = () => {
    throw new Error('a typo');
  };
  const job = jobOf(createMachine({ id: 'throws', context, initial: 'idle', states: { idle: {} } }));
  await using host = await hostOn(server, [job], { triesBeforeSuspending: 1 });
  await host.start(job, 'r1');
  await host.seen.times('held back');
  await expect
    .poll(() => letters.list({ origin: 'run' }, 1))
    .toMatchObject([
      {
        code: 'STATECHART_CODE',
        stack: expect.stringMatching(/^Error: a typo\n +at context .*dead-letter-operations[\s\S]+\nStatechartCodeError: /),
      },
    ]);
});

describe('a command', () => {
  it('goes as it was, with the headers of its sender, past the duplicate window and without what was expected then', async () => {
    const body = ' {"key": "r1"}\n';
    const fields = { 'Nats-Msg-Id': 'first', 'Nats-Expected-Last-Sequence': '0', 'X-Theirs': 'kept', traceparent: '00-1-2-00' };
    const { 'Nats-Expected-Last-Sequence': _, ...sent } = fields;
    const id = await stray('unheard-of', body, sent);
    expect((await letters.show(id)).headers).toMatchObject({ 'X-Theirs': 'kept', 'Almanac-Origin-Nats-Msg-Id': 'first' });
    await redrive(id);
    const command = await lastCommand('cmd.unheard-of.start.normal');
    expect(command?.text).toBe(body);
    expect(['X-Theirs', 'traceparent', 'Almanac-Reason-Code', 'Almanac-Origin-Subject'].map((name) => command?.header(name))).toEqual([
      'kept',
      '00-1-2-00',
      '',
      '',
    ]);
    expect(await ids()).toEqual([]);
  });

  it('of a job type that has become known is carried out', async () => {
    const id = await stray('known-later');
    const job = stepsJob('known-later', ['only'], () => Promise.resolve(null));
    await using host = await hostOn(server, [job]);
    await redrive(id);
    await host.seen.times('ended');
    expect(await host.historyOf(job, 'r1')).toHaveLength(2);
  });

  it('is sent once, whoever asks for it at the same time, and said to be gone to the others', async () => {
    const id = await stray('wanted');
    const planned = await letters.planNamed('redrive', [id]);
    const settled = await Promise.all([1, 2, 3].map(() => letters.carryOut('redrive', planned, me)));
    expect(settled.map(({ letters: [letter] }) => letter!.result).sort()).toEqual(['gone', 'gone', 'redriven']);
    expect(await commandsStored()).toBe(1);
    await expect(redrive(id)).rejects.toThrow(NotFoundError);
  });

  it.each(['record', 'remove'] as const)('whose redrive ended at %s is still there, and a second one sends nothing twice', async (at) => {
    const id = await stray('crashed');
    const crash = () => Promise.reject(new Error('killed'));
    const crashing = deadLettersOf(client, { [at]: crash });
    await expect(crashing.carryOut('redrive', [{ id }], me)).rejects.toThrow('killed');
    expect(await ids()).toEqual([id]);
    expect(await redrive(id)).toMatchObject({ letters: [{ id, result: 'redriven' }] });
    expect(await commandsStored()).toBe(1);
    expect((await lastAudit(client, 'redriven'))?.data.letter).toBe(id);
  });

  it('that finds no room stays a letter, like all after it', async () => {
    const all = [await stray('no-room', '{"key":"r1"}'), await stray('no-room', '{"key":"r2"}'), await stray('no-room', '{"key":"r3"}')];
    const { config } = await client.manager.streams.info('COMMANDS');
    await client.manager.streams.update('COMMANDS', { ...config, max_msgs: 1 });
    try {
      const settlement = await letters.carryOut('redrive', await letters.plan('redrive', {}), me);
      expect(settlement).toEqual({
        letters: [{ id: all[0], result: 'redriven' }],
        left: 2,
        problem: expect.stringContaining('not stored'),
      });
      expect(await ids()).toEqual(all.slice(1));
    } finally {
      await client.manager.streams.update('COMMANDS', { ...config, max_msgs: -1 });
    }
  });
});

describe('a letter that a stranger wrote', () => {
  const from = (subject: string) => ({ 'Almanac-Origin-Subject': subject, 'Almanac-Run-Id': 'r1' });
  it.each<[string, string, string, Record<string, string>]>([
    ['without our headers', 'dlq.command.x', '{}', {}],
    ['on a subject that is none of ours', 'dlq.x', '{}', from('cmd.x.start.normal')],
    ['for the history of a run', 'dlq.command.x', '{}', from('evt.run.x.victim')],
    ['for the administration of the server', 'dlq.command.x', '{}', from('$JS.API.STREAM.PURGE.EVENTS')],
    ['for another letter', 'dlq.command.x', '{}', from('dlq.command.x')],
    ['for every command', 'dlq.command.x', '{}', from('cmd.>')],
    ['for a subject with more in it', 'dlq.command.x', '{}', from('cmd.x.start.normal evt.run.x.victim')],
    ['for no subject', 'dlq.command.x', '{}', from('cmd.')],
    ['for a subject that may have been cut', 'dlq.command.x', '{}', from(`cmd.${'x'.repeat(1_996)}`)],
    ['for a run, of something that is no JSON', 'dlq.run.x', 'not JSON', from('cmd.x.start.normal')],
    ['for a run, of a list', 'dlq.run.x', '[]', from('cmd.x.start.normal')],
    ['for a run of another job type', 'dlq.run.x', '{}', from('cmd.y.start.normal')],
    ['for a run that gets a signal', 'dlq.run.x', '{}', from('cmd.x.signal.r1')],
    ['for a run without a name', 'dlq.run.x', '{}', { 'Almanac-Origin-Subject': 'cmd.x.start.normal' }],
    ['for a run of many names', 'dlq.run.x', '{}', { ...from('cmd.x.start.normal'), 'Almanac-Run-Id': '*' }],
  ])('%s is never sent, but can be seen and dropped', async (_, subject, body, fields) => {
    const events = async () => (await client.manager.streams.info('EVENTS')).state.messages;
    const before = await events();
    const id = await write(subject, body, fields);
    expect(await letters.list({}, 10)).toMatchObject([{ id }]);
    expect(await letters.plan('redrive', {})).toMatchObject([{ id, refusal: expect.any(String) }]);
    await expect(redrive(id)).rejects.toThrow(ConflictError);
    expect(await letters.carryOut('redrive', [{ id }], me)).toMatchObject({ letters: [{ id, result: 'refused' }], left: 0 });
    expect({ stored: await commandsStored(), ids: await ids(), events: await events() }).toEqual({ stored: 0, ids: [id], events: before });
    expect(await letters.carryOut('drop', await letters.planNamed('drop', [id]), me)).toMatchObject({
      letters: [{ id, result: 'dropped' }],
    });
    expect(await ids()).toEqual([]);
  });

  it('and that is larger than a command may be keeps no other from being sent', async () => {
    const tooLarge = await write('dlq.command.x', Buffer.alloc(1_040_000), from('cmd.x.start.normal'));
    const other = await write('dlq.command.x', '{}', from('cmd.x.start.normal'));
    const settlement = await letters.carryOut('redrive', await letters.plan('redrive', {}), me);
    expect(settlement.letters).toMatchObject([
      { id: tooLarge, result: 'refused' },
      { id: other, result: 'redriven' },
    ]);
    expect(await ids()).toEqual([tooLarge]);
  });

  it('does not make a command look like one of a run', async () => {
    const id = await stray('pretending', '{}', { 'Almanac-Run-Id': 'r1' });
    expect(await letters.show(id)).toMatchObject({ origin: 'command', runId: null });
  });
});

describe('a selection', () => {
  it('by origin, job type and code is planned without being touched; newest first in a list, oldest first when sent', async () => {
    const run = { 'Almanac-Origin-Subject': 'cmd.a.start.normal', 'Almanac-Run-Id': 'r1', 'Almanac-Reason-Code': 'STATECHART_CODE' };
    const [a1, b, a2] = [await stray('a', '{"key":"1"}'), await stray('b'), await stray('a', '{"key":"2"}')];
    const a3 = await write('dlq.run.a', '{}', run);
    const listed = async (filter: Parameters<DeadLetterOperations['list']>[0], limit = 10) =>
      (await letters.list(filter, limit)).map(({ id }) => id);
    expect(await listed({})).toEqual([a3, a2, b, a1]);
    expect(await listed({}, 2)).toEqual([a3, a2]);
    expect(await listed({ jobType: 'a' })).toEqual([a3, a2, a1]);
    expect(await listed({ origin: 'run' })).toEqual([a3]);
    expect(await listed({ origin: 'command', jobType: 'b' })).toEqual([b]);
    expect(await listed({ code: 'JOB_TYPE_UNKNOWN' })).toEqual([a2, b, a1]);
    expect(await listed({ code: 'NONE_SUCH' })).toEqual([]);
    const planned = await letters.plan('redrive', { origin: 'command', jobType: 'a' });
    expect(planned.map(({ id, refusal }) => [id, refusal])).toEqual([
      [a1, null],
      [a2, null],
    ]);
    expect({ stored: await commandsStored(), letters: (await ids()).length }).toEqual({ stored: 0, letters: 4 });
    await letters.carryOut('redrive', planned, me);
    expect(await ids()).toEqual([b, a3]);
    const first = await client.manager.streams.getMessage('COMMANDS', {
      seq: (await client.manager.streams.info('COMMANDS')).state.first_seq,
    });
    expect(first?.json()).toEqual({ key: '1' });
  });

  it('that is dropped is in the log, and not among the commands', async () => {
    const id = await stray('useless', 'what was asked');
    expect(await letters.carryOut('drop', await letters.plan('drop', { jobType: 'useless' }), me)).toEqual({
      letters: [{ id, result: 'dropped' }],
      left: 0,
      problem: null,
    });
    expect({ stored: await commandsStored(), ids: await ids() }).toEqual({ stored: 0, ids: [] });
    expect(await lastAudit(client, 'dropped')).toMatchObject({
      type: 'almanac.dead-letter.dropped',
      data: { letter: id, origin: 'command', jobType: 'useless', runId: null, code: 'JOB_TYPE_UNKNOWN', actor: me },
    });
  });

  it('of ids in which one is unknown is not touched at all', async () => {
    const id = await stray('known');
    await expect(redrive(id, id + 1_000)).rejects.toThrow(`there is no dead letter ${id + 1_000}`);
    expect(await ids()).toEqual([id]);
    expect((await redrive(id, id)).letters).toEqual([{ id, result: 'redriven' }]);
  });
});
