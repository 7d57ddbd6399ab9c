import { expect, it, onTestFinished } from 'vitest';
import { natsDeadLetters } from '../../../src/adapters/nats/dead-letters.ts';
import { sweepStrays } from '../../../src/adapters/nats/strays.ts';
import { commandsLeft } from '../../support/commands-left.ts';
import { hostOn } from '../../support/host-on.ts';
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
