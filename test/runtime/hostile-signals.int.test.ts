/** Signals from strangers: each becomes a dead letter with a reason, and touches no run but the one it names (invariant 6). */
import { createInbox, headers, type Msg } from '@nats-io/transport-node';
import { beforeAll, expect, it } from 'vitest';
import { type AnyStateMachine, assign, setup } from 'xstate';
import { natsDeadLetters } from '../../src/adapters/nats/dead-letters.ts';
import { sweepStrays } from '../../src/adapters/nats/strays.ts';
import { systemClock } from '../../src/adapters/system/clock.ts';
import { deadLetters } from '../../streams/dead-letters.stream.ts';
import { commandsLeft } from '../support/commands-left.ts';
import { deadLettersOf } from '../support/dead-letter-operations.ts';
import { clientOn, hostOn, type TestHost } from '../support/host-on.ts';
import { jobOf } from '../support/jobs.ts';
import { useNatsServer } from '../support/nats-server.ts';
import { publishRaw } from '../support/publish-raw.ts';
import { Sightings, sightingLog } from '../support/sightings.ts';

const server = useNatsServer();
const machine: AnyStateMachine = setup({
  types: { context: {} as { kept: unknown[] } },
  guards: { never: () => false },
}).createMachine({
  id: 'guestbook',
  context: { kept: [] },
  initial: 'open',
  options: { maxIterations: 100 },
  states: {
    open: {
      on: {
        write: { actions: assign({ kept: ({ context, event }) => [...context.kept, event] }) },
        'page.*': 'open',
        close: { guard: 'never', target: 'succeeded' },
        ignored: {},
      },
    },
    succeeded: { type: 'final' },
  },
});
const job = jobOf(machine);
let host: TestHost;
beforeAll(async () => {
  host = await hostOn(server, [job]);
  await host.start(job, 'r1');
  await host.seen.times('started');
  return () => host.stop();
});

const nothingLeft = () => expect.poll(() => commandsLeft(host.connection)).toEqual({ stored: 0, unacknowledged: 0 });
const sweep = () => sweepStrays(host.manager, natsDeadLetters(host.publisher), sightingLog(new Sightings()), systemClock);
const eventsStored = async () => (await host.manager.streams.info('EVENTS')).state.messages;
async function lastLetter(subject: string) {
  const message = await host.manager.streams.getMessage(deadLetters.name, { last_by_subj: subject });
  return message && { body: Buffer.from(message.data), header: (name: string) => message.header.get(name) };
}
/** Publishes as anybody can, and waits for the answer. */
async function ask(subject: string, body: string | Uint8Array): Promise<object> {
  const { promise: answered, resolve } = Promise.withResolvers<Msg>();
  const replyTo = createInbox();
  host.connection.subscribe(replyTo, { max: 1, callback: (_, message) => resolve(message) });
  const head = headers();
  head.set('Almanac-Reply-To', replyTo);
  host.connection.publish(subject, body, { headers: head });
  return (await answered).json();
}

const text = (body: string) => Buffer.from(body);
it.each<[string, Buffer, string]>([
  ['nothing', text(''), 'SIGNAL_INVALID'],
  ['broken JSON', text('{"event": '), 'COMMAND_NOT_JSON'],
  ['bytes that are not UTF-8', Buffer.from([0x7b, 0xff, 0xfe, 0x7d]), 'COMMAND_NOT_UTF8'],
  ['JSON that is no object', text('["cancel"]'), 'SIGNAL_INVALID'],
  ['an event that is a word', text('{"event":"cancel"}'), 'SIGNAL_INVALID'],
  ['an event without a type', text('{"event":{}}'), 'SIGNAL_INVALID'],
  ['an event whose type is a number', text('{"event":{"type":5}}'), 'SIGNAL_INVALID'],
  ['an event whose type is nothing', text('{"event":{"type":""}}'), 'SIGNAL_INVALID'],
  ['an event whose type is long', text(JSON.stringify({ event: { type: 'x'.repeat(129) } })), 'SIGNAL_INVALID'],
  ['an event whose type stands for others', text('{"event":{"type":"*"}}'), 'EVENT_REFUSED'],
  ['the result of an activity', text('{"event":{"type":"xstate.done.actor.x"}}'), 'EVENT_REFUSED'],
  ['what only Almanac says', text('{"event":{"type":"almanac.cancel"}}'), 'EVENT_REFUSED'],
  ['an actor who is nobody', text('{"event":{"type":"cancel"},"actor":{"who":""}}'), 'SIGNAL_INVALID'],
  ['a field nobody knows', text('{"event":{"type":"cancel"},"force":true}'), 'SIGNAL_INVALID'],
  ['more than a command may be', text(JSON.stringify({ event: { type: 'write', text: 'x'.repeat(60_000) } })), 'COMMAND_TOO_LARGE'],
  ['as much as a message may be', Buffer.alloc(1_048_576 - 16_384 - 400, 'ä'), 'COMMAND_TOO_LARGE'],
  ['more than the run can keep', text(JSON.stringify({ event: { type: 'write', text: 'x'.repeat(40_000) } })), 'COMMAND_TOO_LARGE'],
])('%s is refused, whole, with the reason', async (_, body, code) => {
  const before = await eventsStored();
  expect(await ask('cmd.guestbook.signal.r1', body)).toMatchObject({ code, reason: expect.stringMatching(/.{10}/) });
  const letter = await lastLetter('dlq.signal.guestbook');
  expect(letter?.body.equals(body)).toBe(true);
  expect(['Almanac-Reason-Code', 'Almanac-Run-Id'].map((name) => letter?.header(name))).toEqual([code, 'r1']);
  await nothingLeft();
  expect(await eventsStored()).toBe(before);
});

it('a refusal says what the run listens to, and when it is a guard that refuses', async () => {
  const refusal = (why: string) => ({
    code: 'EVENT_REFUSED',
    reason: `run r1 of guestbook ${why}; it listens to: write, page.*, close, cancel`,
  });
  expect(await ask('cmd.guestbook.signal.r1', '{"event":{"type":"sing"}}')).toEqual(refusal("does not listen to 'sing' in state open"));
  expect(await ask('cmd.guestbook.signal.r1', '{"event":{"type":"close"}}')).toEqual(
    refusal("refuses 'close' in state open, by a guard of its statechart"),
  );
});

it.each(['*', '>', 'R1', 'ä', 'r1!', `r${'1'.repeat(128)}`])('%s names no run, and finds none', async (id) => {
  const events = await eventsStored();
  const before = (await deadLettersOf(host).list({}, 1))[0]?.id ?? 0;
  await publishRaw(server, `cmd.guestbook.signal.${id}`, 'NATS/1.0\r\n\r\n', '{"event":{"type":"cancel"}}');
  await expect.poll(() => sweep().then(() => commandsLeft(host.connection))).toEqual({ stored: 0, unacknowledged: 0 });
  const letters = (await deadLettersOf(host).list({}, 10)).filter((letter) => letter.id > before);
  expect(letters.length).toBeGreaterThan(0); // refused by whoever got it, or swept up where the server gives it to nobody
  for (const letter of letters) expect(letter).toMatchObject({ code: 'COMMAND_SUBJECT_UNKNOWN', runId: null });
  expect(await eventsStored()).toBe(events);
});

it.each(['cmd.newer.signal.*', 'cmd.newer.start.>', 'cmd.>'])(
  'a message on %s is swept up without those that it seems to mean',
  async (subject) => {
    const newer = jobOf(machine, {}, { id: 'newer' });
    await (await hostOn(server, [newer])).stop();
    const waiting = ['cmd.newer.signal.r1', 'cmd.newer.start.normal'];
    for (const each of waiting) await host.manager.jetstream().publish(each, '{"event":{"type":"cancel"}}');
    await publishRaw(server, subject, 'NATS/1.0\r\n\r\n', 'hostile');
    const stored = async () =>
      Object.keys((await host.manager.streams.info('COMMANDS', { subjects_filter: '>' })).state.subjects ?? {}).toSorted();
    await expect.poll(() => sweep().then(stored)).toEqual(waiting);
    await host.manager.streams.purge('COMMANDS');
  },
);

it('a run of an unknown job type is swept up, with a reason', async () => {
  await host.manager.jetstream().publish('cmd.unheard-of.signal.r1', '{"event":{"type":"cancel"}}');
  await sweep();
  const letter = await lastLetter('dlq.command.unheard-of');
  expect(letter?.body.toString()).toBe('{"event":{"type":"cancel"}}');
  expect(letter?.header('Almanac-Reason-Code')).toBe('JOB_TYPE_UNKNOWN');
  await nothingLeft();
});

it('a run of a job type that only another process knows is left to it, though it is away at the moment', async () => {
  const newer = jobOf(machine, {}, { id: 'newer' });
  await (await hostOn(server, [newer])).stop();
  await using client = await clientOn(server);
  await client.manager.jetstream().publish('cmd.newer.signal.r1', '{"event":{"type":"cancel"}}');
  expect(await sweepStrays(client.manager, natsDeadLetters(client.publisher), sightingLog(new Sightings()), systemClock)).toBe(0);
  expect((await commandsLeft(client.connection)).stored).toBe(1);
  await client.manager.streams.purge('COMMANDS');
});
