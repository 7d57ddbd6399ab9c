/** Start commands that waited too long for their run to begin. A run that has begun is never affected. */
import { createInbox, headers, type Msg } from '@nats-io/transport-node';
import { expect, it } from 'vitest';
import { createMachine } from 'xstate';
import type { Activity } from '../../src/domain/activity.ts';
import { commandsLeft } from '../support/commands-left.ts';
import { type Client, clientOn, hostOn } from '../support/host-on.ts';
import { jobOf, stepsJob } from '../support/jobs.ts';
import { useNatsServer } from '../support/nats-server.ts';
import { Sightings } from '../support/sightings.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const server = useNatsServer();
const MINUTE_MS = 60_000;
const nothing = () => Promise.resolve(null);
const minutesFromNow = (minutes: number) => new Date(Date.now() + minutes * MINUTE_MS).toISOString();
const clockIn = (minutes: number) => new VirtualClock(minutesFromNow(minutes));
const nothingLeft = (client: Client) => expect.poll(() => commandsLeft(client.connection)).toEqual({ stored: 0, unacknowledged: 0 });

async function lettersOf({ manager }: Client, jobType: string) {
  const { state } = await manager.streams.info('DEAD_LETTERS', { subjects_filter: `dlq.command.${jobType}` });
  const last = await manager.streams.getMessage('DEAD_LETTERS', { last_by_subj: `dlq.command.${jobType}` });
  const header = (name: string) => last?.header.get(name);
  return {
    count: state.subjects?.[`dlq.command.${jobType}`] ?? 0,
    code: header('Almanac-Reason-Code'),
    reason: header('Almanac-Reason'),
    body: last?.json(),
  };
}

it.each<[string, number | undefined, string | undefined]>([
  ['than its job type lets it wait', 30 * MINUTE_MS, undefined],
  ['than it is wanted', undefined, minutesFromNow(30)],
  ['than the earlier one of the two', 24 * 60 * MINUTE_MS, minutesFromNow(30)],
])(
  'a command that waits longer %s becomes a dead letter, each time it is sent, and whoever asked is told',
  async (_, queueTimeoutMs, expires) => {
    const id = `late-${queueTimeoutMs ?? 0}-${expires === undefined ? 'job' : 'command'}`;
    const job = stepsJob(id, ['only'], nothing, { ...(queueTimeoutMs !== undefined && { queueTimeoutMs }) });
    await using client = await clientOn(server);
    const replies = new Sightings();
    const replyTo = createInbox();
    client.connection.subscribe(replyTo, { callback: (__, message: Msg) => replies.saw('reply', message.json()) });
    const body = { key: 'r1', ...(expires !== undefined && { expires }) };
    const head = headers();
    head.set('Almanac-Reply-To', replyTo);
    const send = () => client.manager.jetstream().publish(`cmd.${id}.start.normal`, JSON.stringify(body), { headers: head });
    await send();
    await send();
    await using host = await hostOn(server, [job], { clock: clockIn(31) });
    const reason = expect.stringMatching(new RegExp(`run r1 of ${id} was to begin by 20.*Z, and did not`));
    expect(await replies.times('reply', 2)).toEqual([
      { code: 'QUEUE_TIMEOUT', reason },
      { code: 'QUEUE_TIMEOUT', reason },
    ]);
    await nothingLeft(host);
    expect(await lettersOf(client, id)).toEqual({ count: 2, code: 'QUEUE_TIMEOUT', reason, body });
    expect(await host.historyOf(job, 'r1')).toEqual([]);
  },
);

it('a command that waits less than that begins its run', async () => {
  const job = stepsJob('in-time', ['only'], nothing, { queueTimeoutMs: 30 * MINUTE_MS });
  await using client = await clientOn(server);
  await client.manager.jetstream().publish('cmd.in-time.start.normal', JSON.stringify({ key: 'r1', expires: minutesFromNow(30) }));
  await using host = await hostOn(server, [job], { clock: clockIn(29) });
  expect(await host.seen.times('ended')).toEqual(['succeeded']);
});

it('a run that began in time goes on when its command is delivered again late, and a late repeat of the command is a repeat', async () => {
  const calls = new Sightings();
  const { promise, resolve: release } = Promise.withResolvers<void>();
  const work: Activity<string, unknown> = async (_, { signal }) => {
    calls.saw('call');
    signal.addEventListener('abort', () => release());
    if (calls.of('call').length === 1) await promise;
    return null;
  };
  const job = stepsJob('begun', ['only'], work, { queueTimeoutMs: 30 * MINUTE_MS });
  const first = await hostOn(server, [job]);
  await first.start(job, 'r1');
  await calls.times('call');
  const lateRepeat = JSON.stringify({ key: 'r1', expires: minutesFromNow(-1) });
  await first.manager.jetstream().publish('cmd.begun.start.normal', lateRepeat);
  await expect.poll(() => commandsLeft(first.connection)).toEqual({ stored: 1, unacknowledged: 1 });
  await first.stop();

  await using late = await hostOn(server, [job], { clock: clockIn(31) });
  expect(await late.seen.times('ended')).toEqual(['succeeded']);
  await late.manager.jetstream().publish('cmd.begun.start.normal', lateRepeat);
  await nothingLeft(late);
  expect((await lettersOf(late, 'begun')).count).toBe(0);
  const types = (await late.historyOf(job, 'r1')).map(({ event }) => event.type.replace('almanac.run.', ''));
  expect(types).toEqual(['started', 'resumed', 'finished']);
});

it('a command that was delivered before, without a run coming of it, may be too late the next time', async () => {
  let broken = true;
  const context = () => {
    if (broken) throw new Error('not deployed yet');
    return {};
  };
  const machine = createMachine({ id: 'mended', context, initial: 'idle', states: { idle: {} } });
  const job = jobOf(machine, {}, { queueTimeoutMs: 30 * MINUTE_MS });
  const first = await hostOn(server, [job]);
  await first.start(job, 'r1');
  await first.seen.times('held back');
  await first.stop();
  broken = false;
  await using late = await hostOn(server, [job], { clock: clockIn(31) });
  await expect.poll(async () => (await lettersOf(late, 'mended')).code, { timeout: 10_000 }).toBe('QUEUE_TIMEOUT');
  await nothingLeft(late);
  expect(await late.historyOf(job, 'r1')).toEqual([]);
});
