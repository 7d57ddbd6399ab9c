/** Commands nobody can carry out: each ends as a dead letter, whole, with the reason, and whoever asked is told (invariant 6). */

import { createInbox, headers, type Msg } from '@nats-io/transport-node';
import { beforeAll, describe, expect, it } from 'vitest';
import { createMachine } from 'xstate';
import { z } from 'zod';
import { natsDeadLetters } from '../../src/adapters/nats/dead-letters.ts';
import { sweepStrays } from '../../src/adapters/nats/strays.ts';
import { systemClock } from '../../src/adapters/system/clock.ts';
import { commandsLeft } from '../support/commands-left.ts';
import { clientOn, hostOn, type TestHost } from '../support/host-on.ts';
import { jobOf, stepsJob } from '../support/jobs.ts';
import { useNatsServer } from '../support/nats-server.ts';
import { publishRaw } from '../support/publish-raw.ts';
import { Sightings, sightingLog } from '../support/sightings.ts';

const server = useNatsServer();
const job = stepsJob('picky', ['only'], () => Promise.resolve(null), {
  input: z.strictObject({ n: z.int().optional(), text: z.string().optional() }),
});
const subject = 'cmd.picky.start.normal';
let host: TestHost;
beforeAll(async () => {
  host = await hostOn(server, [job]);
  return () => host.stop();
});

/** The latest letter of a job type. */
async function lastLetter(jobType: string) {
  const message = await host.manager.streams.getMessage('DEAD_LETTERS', { last_by_subj: `dlq.command.${jobType}` });
  return message && { body: Buffer.from(message.data), seq: message.seq, header: (name: string) => message.header.get(name) };
}
const nothingLeft = () => expect.poll(() => commandsLeft(host.connection)).toEqual({ stored: 0, unacknowledged: 0 });
async function eventsStored(): Promise<number> {
  return (await host.manager.streams.info('EVENTS')).state.messages;
}

const text = (body: string) => Buffer.from(body);
it.each<[string, Buffer, string]>([
  ['broken JSON', text('{"key": '), 'COMMAND_NOT_JSON'],
  ['bytes that are not UTF-8', Buffer.from([0x7b, 0xff, 0xfe, 0x7d]), 'COMMAND_NOT_UTF8'],
  ['JSON that is no object', text('["r1"]'), 'COMMAND_INVALID'],
  ['a key of the wrong type', text('{"key": 5}'), 'COMMAND_INVALID'],
  ['a field nobody knows', text('{"kye": "r1"}'), 'COMMAND_INVALID'],
  ['a key that is more than one token', text('{"key": "a.b"}'), 'COMMAND_INVALID'],
  ['a key with a wildcard', text('{"key": ">"}'), 'COMMAND_INVALID'],
  ['an actor without a name', text('{"actor": {"who": ""}}'), 'COMMAND_INVALID'],
  ['an input its job type does not take', text('{"input": {"n": "many"}}'), 'INPUT_INVALID'],
  ['more than a command may be', text(`{"input": {"text": "${'x'.repeat(60_000)}"}}`), 'COMMAND_TOO_LARGE'],
  ['as much as a message may be', Buffer.alloc(1_048_576 - 16_384 - 400, 'ä'), 'COMMAND_TOO_LARGE'],
])('%s', async (_, body, code) => {
  const before = await eventsStored();
  const replyTo = createInbox();
  const { promise: answered, resolve } = Promise.withResolvers<Msg>();
  host.connection.subscribe(replyTo, { max: 1, callback: (__, message) => resolve(message) });
  const head = headers();
  head.set('Almanac-Reply-To', replyTo);
  head.set('X-Theirs', 'kept');
  await host.manager.jetstream().publish(subject, body, { headers: head });
  expect((await answered).json()).toMatchObject({ code, reason: expect.any(String) });
  const letter = await lastLetter('picky');
  expect(letter?.body.equals(body)).toBe(true);
  const kept = ['Almanac-Reason-Code', 'Almanac-Origin-Subject', 'X-Theirs'].map((name) => letter?.header(name));
  expect(kept).toEqual([code, subject, 'kept']);
  expect(letter?.header('Almanac-Reason')).not.toBe('');
  await nothingLeft();
  expect(await eventsStored()).toBe(before);
});

it('an input that leaves no room for the run in its first event is refused, not tried for ever', async () => {
  const machine = createMachine({ id: 'keeps-input', context: ({ input }) => ({ input }), initial: 'idle', states: { idle: {} } });
  await using own = await hostOn(server, [jobOf(machine)]);
  await own.commands.start({ jobType: 'keeps-input' as never, runId: 'r1' as never, input: { text: 'x'.repeat(40_000) } });
  await expect.poll(async () => (await lastLetter('keeps-input'))?.header('Almanac-Reason-Code')).toBe('COMMAND_TOO_LARGE');
  await nothingLeft();
});

it.each([
  ['the history of a run', 'evt.run.picky.victim'],
  ['the administration of the server', '$JS.API.STREAM.PURGE.DEAD_LETTERS'],
  ['the commands', 'cmd.picky.start.normal'],
  ['a wildcard', 'evt.>'],
])('a stranger cannot have %s written by asking for the answer there', async (_, replyTo) => {
  const before = await eventsStored();
  const head = headers();
  head.set('Almanac-Reply-To', replyTo);
  const letters = (await host.manager.streams.info('DEAD_LETTERS')).state.messages;
  await host.manager.jetstream().publish(subject, 'not JSON', { headers: head });
  await nothingLeft();
  await host.connection.flush();
  expect(await eventsStored()).toBe(before);
  expect((await host.manager.streams.info('DEAD_LETTERS')).state.messages).toBe(letters + 1);
});

it('headers that break the rules do not keep a command from being a dead letter', async () => {
  const letters = (await host.manager.streams.info('DEAD_LETTERS')).state.messages;
  await publishRaw(server, subject, 'NATS/1.0\r\nBad Name: x\r\n\r\n', 'not JSON');
  await expect.poll(async () => (await host.manager.streams.info('DEAD_LETTERS')).state.messages).toBe(letters + 1);
  await nothingLeft();
});

describe('a stray', () => {
  const sweep = () => sweepStrays(host.manager, natsDeadLetters(host.publisher), sightingLog(new Sightings()), systemClock);

  it.each([
    ['of a job type nobody knows', 'cmd.unheard-of.start.normal', 'unheard-of', 'JOB_TYPE_UNKNOWN'],
    ['in a lane nobody takes', 'cmd.picky.start.high', 'picky', 'LANE_UNKNOWN'],
    ['with a misspelt verb', 'cmd.picky.strat.normal', 'unknown', 'COMMAND_SUBJECT_UNKNOWN'],
    ['that is hardly a command', 'cmd.x', 'unknown', 'COMMAND_SUBJECT_UNKNOWN'],
    ['with capitals', 'cmd.Picky.start.normal', 'unknown', 'COMMAND_SUBJECT_UNKNOWN'],
  ])('%s becomes a dead letter, whole, once, whoever sweeps', async (_, stray, jobType, code) => {
    await host.manager.jetstream().publish(stray, 'what was asked', { headers: withHeader('X-Theirs', 'kept') });
    const letters = (await host.manager.streams.info('DEAD_LETTERS')).state.messages;
    const swept = await Promise.all([sweep(), sweep()]);
    expect(Math.max(...swept)).toBeGreaterThan(0);
    const letter = await lastLetter(jobType);
    expect(letter?.body.toString()).toBe('what was asked');
    expect(['Almanac-Reason-Code', 'Almanac-Origin-Subject', 'X-Theirs'].map((name) => letter?.header(name))).toEqual([
      code,
      stray,
      'kept',
    ]);
    expect((await host.manager.streams.info('DEAD_LETTERS')).state.messages).toBe(letters + 1);
    expect(await commandsLeft(host.connection)).toEqual({ stored: 0, unacknowledged: 0 });
  });

  it('of a known job type is told which lanes there are', async () => {
    await host.manager.jetstream().publish('cmd.picky.start.low', '');
    await sweep();
    expect((await lastLetter('picky'))?.header('Almanac-Reason')).toBe('job type picky has no lane low; it has: normal');
  });

  it('is not what somebody takes by a wildcard', async () => {
    const durable_name = 'by-wildcard';
    await host.manager.consumers.add('COMMANDS', { durable_name, filter_subject: 'cmd.newer.signal.*', ack_policy: 'explicit' });
    await host.manager.jetstream().publish('cmd.newer.signal.r1', 'kept');
    await host.manager.jetstream().publish('cmd.newer.signal.r1.more', 'swept');
    expect(await sweep()).toBe(1);
    expect((await commandsLeft(host.connection)).stored).toBe(1);
    await host.manager.consumers.delete('COMMANDS', durable_name);
    expect(await sweep()).toBe(1);
  });

  it('with headers that break the rules does not keep the others from being swept', async () => {
    await publishRaw(server, 'cmd.odd', 'NATS/1.0\r\nBad Name: x\r\n\r\n', 'odd');
    await host.manager.jetstream().publish('cmd.zzz', 'even');
    expect(await sweep()).toBe(2);
    expect(await commandsLeft(host.connection)).toEqual({ stored: 0, unacknowledged: 0 });
    expect((await lastLetter('unknown'))?.body.toString()).toBe('even');
  });

  it('is not what a process takes whose consumer was deleted a moment ago', async () => {
    const busy = stepsJob('busy', ['only'], () => new Promise(() => undefined));
    await using client = await clientOn(server);
    await client.start(busy, 'r1');
    await sweepStrays(
      host.manager,
      natsDeadLetters(host.publisher),
      sightingLog(new Sightings()),
      systemClock,
      new Map([['busy', ['normal']]]),
    );
    expect((await commandsLeft(client.connection)).stored).toBe(1);
    await client.manager.streams.purge('COMMANDS');
  });
});

const withHeader = (name: string, value: string) => {
  const head = headers();
  head.set(name, value);
  return head;
};

it('the key of another run, with another input, is refused whether that run goes on or has ended; with the same input it is a repeat', async () => {
  const send = (n: number) => host.manager.jetstream().publish(subject, JSON.stringify({ key: 'reused', input: { n } }));
  await send(1);
  await nothingLeft();
  const letters = async () => (await host.manager.streams.info('DEAD_LETTERS')).state.messages;
  const before = await letters();
  await send(1);
  await nothingLeft();
  expect(await letters()).toBe(before);
  await send(2);
  await nothingLeft();
  expect(await letters()).toBe(before + 1);
  expect((await lastLetter('picky'))?.header('Almanac-Reason-Code')).toBe('KEY_REUSED');
  expect(await host.historyOf(job, 'reused')).toHaveLength(2);
});
