import { type JetStreamManager, jetstream } from '@nats-io/jetstream';
import { expect, it, onTestFinished } from 'vitest';
import { natsDeadLetters } from '../../../src/adapters/nats/dead-letters.ts';
import { queuedStarts } from '../../../src/adapters/nats/queued-starts.ts';
import { sweepStrays } from '../../../src/adapters/nats/strays.ts';
import { systemClock } from '../../../src/adapters/system/clock.ts';
import { type Instant, jobTypeId, runId } from '../../../src/domain/ids.ts';
import type { Clock } from '../../../src/runtime/ports.ts';
import { queuedRunId } from '../../../src/runtime/start-request.ts';
import { commands } from '../../../streams/commands.stream.ts';
import { commandsLeft } from '../../support/commands-left.ts';
import { type Client, clientOn, hostOn } from '../../support/host-on.ts';
import { stepsJob } from '../../support/jobs.ts';
import { startTestServer } from '../../support/nats-server.ts';
import { Sightings, sightingLog } from '../../support/sightings.ts';

/** One after the other, which takes long enough for the server to write down what was acknowledged. */
const RUNS = 200;

it('commands that a killed server remembers though they were settled are removed, and those that wait or are held are not', async () => {
  await using server = await startTestServer();
  const { promise, resolve: release } = Promise.withResolvers<string>();
  onTestFinished(() => release('done'));
  const quick = stepsJob('quick', ['only'], async () => 'done');
  const slow = stepsJob(
    'slow',
    ['only'],
    (_, { signal }) => Promise.race([promise, new Promise((_, reject) => signal.addEventListener('abort', reject))]),
    { concurrency: 1 },
  );
  await using host = await hostOn(server, [quick, slow], { leaseMs: 500 });
  const nothingBut = (expected: object) =>
    expect.poll(() => commandsLeft(host.connection).catch(() => undefined), { timeout: 10_000 }).toEqual(expected);
  for (let run = 1; run <= RUNS; run++) {
    await host.start(quick, `r${run}`);
    await host.seen.times('ended', run);
  }
  for (let run = 0; run < 3; run++) await host.start(slow, `r${run}`);
  await nothingBut({ stored: 3, unacknowledged: 1 });
  await server.restart({ signal: 'SIGKILL' });
  await expect.poll(() => host.connection.rtt().catch(() => undefined), { timeout: 10_000 }).toBeDefined();
  const found = new Map<string, boolean>();
  for (const run of await storedRuns(host.manager, 'quick')) found.set(run, (await findStart(host, 'quick', run)) !== undefined);
  for (const run of await storedRuns(host.manager, 'quick')) expect(found.get(run)).toBe(true); // those that are still there
  const sweep = () => sweepStrays(host.manager, natsDeadLetters(host.publisher), sightingLog(new Sightings()), systemClock);
  await expect
    .poll(
      () =>
        sweep().then(
          () => commandsLeft(host.connection),
          () => undefined,
        ),
      { timeout: 10_000 },
    )
    .toEqual({ stored: 3, unacknowledged: 1 });
  release('done');
  await nothingBut({ stored: 0, unacknowledged: 0 });
});

it('a signal that was handed back for a while keeps its delay and the count of its deliveries', async () => {
  await using server = await startTestServer();
  const quick = stepsJob('quick', ['only'], async () => 'done');
  const host = await hostOn(server, [quick], { leaseMs: 3_600_000 });
  await host.stop();
  await using client = await clientOn(server);
  await client.publisher.publish('cmd.quick.signal.r1', Buffer.from('{"event":{"type":"cancel"}}'));
  const consumer = await jetstream(client.connection).consumers.get('COMMANDS', 'signal-quick');
  (await consumer.next({ expires: 5_000 }))!.nak(3_600_000);
  const infoOf = () => client.manager.consumers.info('COMMANDS', 'signal-quick');
  const { created } = await infoOf();
  const inAMinute: Clock = { ...systemClock, now: () => (systemClock.now() + 60_000) as Instant };
  await sweepStrays(client.manager, natsDeadLetters(client.publisher), sightingLog(new Sightings()), inAMinute);
  expect((await infoOf()).created).toBe(created);
});

/** Looked for one by one. */
async function storedRuns(manager: JetStreamManager, jobType: string): Promise<string[]> {
  const { state } = await manager.streams.info(commands.name);
  const runs: string[] = [];
  for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
    const message = await manager.streams.getMessage(commands.name, { seq });
    if (message?.subject === `cmd.${jobType}.start.normal`) runs.push(message.json<{ key: string }>().key);
  }
  return runs;
}

const findStart = (client: Client, jobType: string, run: string) =>
  queuedStarts(client).findStart(jobTypeId(jobType), queuedRunId, runId(run));

it('a place that a command keeps whose run has ended is set free, and a run that is on stays with its holder', async () => {
  await using server = await startTestServer();
  const leaseMs = 3_600_000; // nothing comes back by itself
  const { promise, resolve: release } = Promise.withResolvers<string>();
  onTestFinished(() => release('done'));
  const quick = stepsJob('quick', ['only'], async () => 'done', { concurrency: 1 });
  const slow = stepsJob('slow', ['only'], () => promise, { concurrency: 1 });
  const first = await hostOn(server, [quick], { leaseMs });
  await first.start(quick, 'r1');
  await first.seen.times('ended', 1);
  await first.stop();
  await using client = await clientOn(server);
  await client.publisher.publish('cmd.quick.start.normal', Buffer.from('{"key":"r1"}'));
  const consumer = await jetstream(client.connection).consumers.get('COMMANDS', 'start-quick-normal');
  expect((await consumer.next({ expires: 5_000 }))?.seq).toBe(2); // and nobody will ever acknowledge it

  await using host = await hostOn(server, [quick, slow], { leaseMs });
  await host.start(slow, 'r1');
  await host.seen.times('started', 1);
  await host.start(quick, 'r2');
  const sweep = () => sweepStrays(host.manager, natsDeadLetters(host.publisher), sightingLog(new Sightings()), systemClock);
  await expect
    .poll(() => sweep().then(() => commandsLeft(client.connection)), { timeout: 15_000 })
    .toEqual({ stored: 1, unacknowledged: 1 });
  expect((await client.historyOf(quick, 'r2')).at(-1)?.event.data.outcome).toBe('succeeded');
  await sweep();
  release('done');
  await host.seen.times('ended', 2);
  expect((await client.historyOf(slow, 'r1')).map(({ event }) => event.type)).toEqual(['almanac.run.started', 'almanac.run.finished']);
});
