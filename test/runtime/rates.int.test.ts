/** How many runs of a job type begin in a while, over all processes. */
import { expect, it } from 'vitest';
import type { Activity } from '../../src/domain/activity.ts';
import { commandsLeft } from '../support/commands-left.ts';
import { HeldWork } from '../support/held-work.ts';
import { hostOn } from '../support/host-on.ts';
import { stepsJob } from '../support/jobs.ts';
import { useNatsServer } from '../support/nats-server.ts';

const server = useNatsServer();
const nothing: Activity<string, unknown> = () => Promise.resolve(null);
const HOURLY = { runs: 1, perMs: 3_600_000 };

it('two processes together begin no more runs than the rate allows, and all of them in the end', async () => {
  const rate = { runs: 20, perMs: 1_000, burst: 4 };
  const job = stepsJob('rated', ['only'], nothing, { rate });
  await using one = await hostOn(server, [job]);
  await using other = await hostOn(server, [job]);
  const sentAt = Date.now();
  const ids = Array.from({ length: 24 }, (_, n) => `r${n}`);
  for (const id of ids) await one.start(job, id);
  await expect.poll(() => commandsLeft(one.connection), { timeout: 20_000 }).toEqual({ stored: 0, unacknowledged: 0 });
  const starts = await Promise.all(ids.map(async (id) => Date.parse((await one.historyOf(job, id))[0]!.event.time)));
  starts.sort((a, b) => a - b);
  starts.forEach((startedAt, nth) => {
    expect(nth + 1).toBeLessThanOrEqual(rate.burst + (startedAt - sentAt) / 50);
  });
  expect([...one.seen.of('error'), ...other.seen.of('error')]).toEqual([]);
});

it('a run that goes on elsewhere does not wait for a turn, nor does a second command for it', async () => {
  const held = new HeldWork();
  const job = stepsJob('taken-over', ['only'], held.work, { rate: HOURLY });
  const first = await hostOn(server, [job]);
  await first.start(job, 'r1');
  await expect.poll(() => held.begun).toEqual(['r1']);
  await first.stop();
  await using second = await hostOn(server, [job]);
  await expect.poll(() => held.begun).toEqual(['r1', 'r1']);
  held.letEnd();
  await second.seen.times('ended');
  await second.manager.jetstream().publish('cmd.taken-over.start.normal', '{"key":"r1"}');
  await expect.poll(() => commandsLeft(second.connection)).toEqual({ stored: 0, unacknowledged: 0 });
});

it('who waits for a turn is not laid aside, and nothing of it is in the log', async () => {
  const job = stepsJob('patient', ['only'], nothing, { rate: { runs: 5, perMs: 1_000 } });
  await using host = await hostOn(server, [job], { triesBeforeSuspending: 1 });
  for (const id of ['r1', 'r2', 'r3']) await host.start(job, id);
  expect(await host.seen.times('ended', 3)).toEqual(['succeeded', 'succeeded', 'succeeded']);
  for (const id of ['r1', 'r2', 'r3']) expect(await host.historyOf(job, id)).toHaveLength(2);
  expect([host.seen.of('held back'), host.seen.of('error')]).toEqual([[], []]);
});
