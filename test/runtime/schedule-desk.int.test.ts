/** Commands for schedules that meet what is due, or each other. */
import { expect, it } from 'vitest';
import { publishConfirmed } from '../../src/adapters/nats/publish-confirmed.ts';
import type { Clock } from '../../src/runtime/ports.ts';
import { startTestServer } from '../support/nats-server.ts';
import { historyOf, schedulerOn } from '../support/scheduler-on.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

it.each([
  ['once', { at: '2026-11-23T01:00:00Z' }, 'almanac.schedule.finished'],
  ['every hour', { cron: '0 * * * *' }, 'almanac.schedule.decided'],
])('of one that is due %s, the event says so, as if nobody had sent a command', async (_, timing, type) => {
  await using server = await startTestServer();
  const time = new VirtualClock('2026-11-23T00:30:00Z');
  const withoutAlarms: Clock = { now: () => time.now(), wakeAt: () => () => {} }; // so that the command is first to see what is due
  await using at = await schedulerOn(server, withoutAlarms);
  const send = (body: object) =>
    publishConfirmed(at.client.publisher, 'cmd.schedule.s', Buffer.from(JSON.stringify(body)), { messageId: JSON.stringify(body) });
  const types = async () => (await historyOf(at.client, 's')).map((event) => event.type);
  await send({ do: 'create', spec: { jobType: 'job', timing } });
  await expect.poll(types).toEqual(['almanac.schedule.created']);
  time.jumpTo('2026-11-23T01:00:00Z');
  await send({ do: 'update', spec: { description: 'changed' } });
  await expect.poll(types).toEqual(['almanac.schedule.created', type, 'almanac.schedule.updated']);
});

it('backfills of the same time at once, in several processes, start each occurrence once and say so once', async () => {
  await using server = await startTestServer();
  const time = new VirtualClock('2026-11-22T00:00:00Z');
  await using first = await schedulerOn(server, time);
  await using _second = await schedulerOn(server, time);
  await using _third = await schedulerOn(server, time);
  const send = (body: object, messageId: string) =>
    publishConfirmed(first.client.publisher, 'cmd.schedule.s', Buffer.from(JSON.stringify(body)), { messageId });
  await send({ do: 'create', spec: { jobType: 'job', timing: { cron: '0 * * * *' } } }, 'create');
  await expect.poll(async () => (await historyOf(first.client, 's')).length).toBe(1);
  const range = { from: '2026-11-21T00:00:00Z', to: '2026-11-21T23:00:00Z' };
  await Promise.all(Array.from({ length: 24 }, (_, n) => send({ do: 'backfill', ...range }, `backfill-${n}`)));
  await expect.poll(async () => (await historyOf(first.client, 's')).length, { timeout: 10_000 }).toBe(25);
  const filled = (await historyOf(first.client, 's')).flatMap(({ data }) => data.entries.map(({ dueAt }) => dueAt));
  expect(filled).toHaveLength(new Set(filled).size);
});
