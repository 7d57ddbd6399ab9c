/** What a command finds due is decided before it changes the schedule. */
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
