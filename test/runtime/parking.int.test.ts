/** Runs that only wait are held by nobody; the server keeps their wake. */
import { expect, it } from 'vitest';
import { type AnyStateMachine, assign, setup } from 'xstate';
import type { Activity } from '../../src/domain/activity.ts';
import { jobTypeId, runId } from '../../src/domain/ids.ts';
import { activity } from '../../src/domain/statechart/declare-activity.ts';
import type { StoredRunEvent } from '../../src/runtime/ports.ts';
import { commandsLeft } from '../support/commands-left.ts';
import { type Client, hostOn } from '../support/host-on.ts';
import { jobOf } from '../support/jobs.ts';
import { useNatsServer } from '../support/nats-server.ts';
import { expectVerified } from '../support/verified.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const server = useNatsServer();
const types = (history: readonly StoredRunEvent[]) => history.map(({ event }) => event.type.replace('almanac.run.', ''));
const nothingLeft = (client: Client) => expect.poll(() => commandsLeft(client.connection)).toEqual({ stored: 0, unacknowledged: 0 });

/** Waits, works, ends. */
const waiting = (id: string, waitMs: number): AnyStateMachine =>
  setup({
    types: { context: {} as { output: unknown } },
    delays: { wait: waitMs },
    actors: { work: activity<undefined, unknown>() },
  }).createMachine({
    id,
    context: { output: null },
    initial: 'waiting',
    options: { maxIterations: 100 },
    states: {
      waiting: { after: { wait: 'working' } },
      working: {
        invoke: { id: 'work', src: 'work', onDone: { target: 'succeeded', actions: assign({ output: ({ event }) => event.output }) } },
      },
      succeeded: { type: 'final' },
    },
  });
const work: Activity<undefined, string> = async () => 'done';

it('a run that waits holds no lease and no place, and goes on when its time has come', async () => {
  const job = jobOf(waiting('sleeper', 1_000), { work }, { concurrency: 1 });
  await using host = await hostOn(server, [job], { parkAfterMs: 100 });
  await host.start(job, 'r1');
  await host.start(job, 'r2'); // starts while the first one waits, though there is one place
  await host.seen.times('started', 2);
  expect(await host.seen.times('ended', 2)).toEqual(['succeeded', 'succeeded']);
  await nothingLeft(host);
  for (const run of ['r1', 'r2']) {
    const history = await host.historyOf(job, run);
    expect(types(history)).toEqual(['started', 'resumed', 'transitioned', 'finished']);
    const [started, resumed, transitioned] = history.map(({ event }) => event.data) as [object, object, { revision: number }];
    expect(started).toMatchObject({ parked: { until: expect.stringMatching(/^2/) } });
    expect(resumed).not.toHaveProperty('parked');
    expect(transitioned).toMatchObject({ event: { type: expect.stringMatching(/^xstate\.after/) } });
    expectVerified(job, history);
  }
});

it('its command is gone while it waits: only the wake is left', async () => {
  const job = jobOf(waiting('long-sleeper', 3 * 24 * 3_600_000), { work });
  await using host = await hostOn(server, [job]);
  await host.start(job, 'r1');
  await host.seen.times('started');
  const subjects = async () => Object.keys((await host.manager.streams.info('COMMANDS', { subjects_filter: '>' })).state.subjects ?? {});
  await expect.poll(subjects).toEqual(['cmd.long-sleeper.wake.r1']);
  await host.manager.streams.purge('COMMANDS');
});

it('goes on at another process, when nobody was there at its time', async () => {
  const job = jobOf(waiting('left-alone', 300), { work });
  const first = await hostOn(server, [job], { parkAfterMs: 100 });
  await first.start(job, 'r1');
  await first.seen.times('started');
  await expect.poll(async () => (await first.historyOf(job, 'r1'))[0]?.event.data.parked).toBeDefined();
  await first.stop();
  await using second = await hostOn(server, [job], { parkAfterMs: 100 });
  expect(await second.seen.times('ended')).toEqual(['succeeded']);
  await nothingLeft(second);
});

it('short waits are held', async () => {
  const job = jobOf(waiting('dozing', 50), { work });
  await using host = await hostOn(server, [job]);
  await host.start(job, 'r1');
  await host.seen.times('ended');
  expect(types(await host.historyOf(job, 'r1'))).toEqual(['started', 'transitioned', 'finished']);
});

it('woken too early by a clock that is ahead, it is parked again, and nothing was appended', async () => {
  const job = jobOf(waiting('woken-early', 300), { work });
  const clock = new VirtualClock('2030-01-01T00:00:00Z'); // stands still while the server’s goes on
  await using host = await hostOn(server, [job], { parkAfterMs: 100, clock });
  await host.start(job, 'r1');
  await host.seen.times('started');
  await host.commands.again({ jobType: jobTypeId('woken-early'), runId: runId('r1') }, 'continue');
  await expect.poll(async () => (await host.manager.consumers.info('COMMANDS', 'start-woken-early-normal')).ack_floor.consumer_seq).toBe(2);
  expect(await host.historyOf(job, 'r1')).toHaveLength(1);
  clock.advanceTo('2030-01-01T00:00:01Z');
  expect(await host.seen.times('ended')).toEqual(['succeeded']);
  await nothingLeft(host);
});

it('woken too early, it is looked at again soon: the clock that said so may be put right', async () => {
  const job = jobOf(waiting('clock-behind', 3_600_000), { work });
  const clock = new VirtualClock('2030-01-01T00:00:00Z');
  await using host = await hostOn(server, [job], { parkAfterMs: 100, clock });
  await host.start(job, 'r1');
  await host.seen.times('started');
  await host.commands.again({ jobType: jobTypeId('clock-behind'), runId: runId('r1') }, 'continue');
  await expect
    .poll(async () => (await host.manager.consumers.info('COMMANDS', 'start-clock-behind-normal')).ack_floor.consumer_seq)
    .toBe(2);
  clock.jumpTo('2030-01-01T02:00:00Z');
  expect(await host.seen.times('ended')).toEqual(['succeeded']);
  await host.manager.streams.purge('COMMANDS'); // the first wake
});

it('parked by a clock that is ahead, it is looked at again soon when its time has come by that clock', async () => {
  const job = jobOf(waiting('clock-ahead', 300), { work });
  const ahead = await hostOn(server, [job], { parkAfterMs: 100, clock: new VirtualClock('2030-01-01T01:00:00Z') });
  await ahead.start(job, 'r1');
  await ahead.seen.times('started');
  await expect.poll(async () => (await ahead.historyOf(job, 'r1'))[0]?.event.data.parked).toBeDefined();
  await ahead.stop();
  const clock = new VirtualClock('2030-01-01T00:00:00Z');
  await using host = await hostOn(server, [job], { parkAfterMs: 100, clock });
  const deliveries = async () => (await host.manager.consumers.info('COMMANDS', 'wake')).num_redelivered;
  await expect.poll(deliveries, { timeout: 5_000 }).toBe(1); // it was told to wait for an hour more
  clock.jumpTo('2030-01-01T02:00:00Z');
  expect(await host.seen.times('ended')).toEqual(['succeeded']);
  await nothingLeft(host);
});
