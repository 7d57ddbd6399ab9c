import { cpSync, globSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { AckPolicy, jetstream } from '@nats-io/jetstream';
import { expect, it, onTestFinished } from 'vitest';
import { natsDeadLetters } from '../../../src/adapters/nats/dead-letters.ts';
import { acknowledgeRemoved } from '../../../src/adapters/nats/settled-commands.ts';
import { sweepStrays } from '../../../src/adapters/nats/strays.ts';
import { commandsLeft } from '../../support/commands-left.ts';
import { clientOn, hostOn } from '../../support/host-on.ts';
import { stepsJob } from '../../support/jobs.ts';
import { startTestServer } from '../../support/nats-server.ts';
import { Sightings, sightingLog } from '../../support/sightings.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

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
  const sweep = () => sweepStrays(host.manager, natsDeadLetters(host.publisher), sightingLog(new Sightings()));
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

it('commands that are gone and count as held all the same, as a killed server 2.9 may leave them, keep no places', async () => {
  const folder = temporaryFolder();
  onTestFinished(folder.remove);
  await using server = await startTestServer({ storeDir: join(folder.path, 'nats') });
  await using client = await clientOn(server);
  const { manager, connection } = client;
  const back = () => expect.poll(() => connection.rtt().catch(() => undefined), { timeout: 10_000 }).toBeDefined();
  const consumer = { durable_name: 'start-gone-normal', filter_subject: 'cmd.gone.start.normal', ack_policy: AckPolicy.Explicit };
  await manager.consumers.add('COMMANDS', { ...consumer, ack_wait: 60_000_000_000 });
  const job = stepsJob('gone', ['only'], async () => null);
  for (const run of ['r1', 'r2', 'r3', 'r4']) await client.start(job, run);
  const held = await (await jetstream(connection).consumers.get('COMMANDS', 'start-gone-normal')).fetch({
    max_messages: 4,
    expires: 1_000,
  });
  for await (const { seq } of held) if (seq === 4) break;
  await server.stop(); // it writes down what is held
  const [live] = globSync(join(folder.path, '**', 'COMMANDS', 'obs'));
  const kept = join(folder.path, 'obs');
  cpSync(live!, kept, { recursive: true });
  await server.restart();
  await back();
  for (const seq of [1, 2, 4]) await manager.streams.deleteMessage('COMMANDS', seq);
  await server.stop();
  rmSync(live!, { recursive: true });
  cpSync(kept, live!, { recursive: true });
  await server.restart();
  await back();
  await expect
    .poll(async () => {
      await acknowledgeRemoved(connection, manager);
      return commandsLeft(connection);
    })
    .toEqual({ stored: 1, unacknowledged: 1 });
});
