import { expect, it } from 'vitest';
import { natsAlertHistory, natsAlerts } from '../../../src/adapters/nats/alerts.ts';
import { jobTypeId, runId, type Sequence } from '../../../src/domain/ids.ts';
import type { Alert } from '../../../src/runtime/ports.ts';
import { type Client, clientOn } from '../../support/host-on.ts';
import { useNatsServer } from '../../support/nats-server.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const server = useNatsServer();
const clock = new VirtualClock('2026-01-01T00:00:00Z');
const BEGINNING = 0 as Sequence;

const alert = (run: string, command = 7, state: Alert['facts']['state'] = 'held'): Alert => ({
  rule: 'statechart-code',
  key: run,
  jobType: jobTypeId('sample'),
  runId: runId(run),
  summary: `run ${run} is held`,
  facts: { code: 'STATECHART_CODE', command, state },
});
const raise = ({ publisher, manager }: Client, what: Alert) =>
  natsAlerts({ publisher, manager, clock, source: '/almanac/test' }).raise(what);
const countOf = async ({ manager }: Client, run: string) => {
  const subject = `evt.alert.statechart-code.${run}`;
  return (await manager.streams.info('EVENTS', { subjects_filter: subject })).state.subjects?.[subject];
};

it('an alert is raised once for a command, again when it is laid aside, and again for another command', async () => {
  await using client = await clientOn(server);
  await Promise.all([raise(client, alert('r1')), raise(client, alert('r1'))]);
  await raise(client, alert('r1'));
  expect(await countOf(client, 'r1')).toBe(1);
  await raise(client, alert('r1', 7, 'laid-aside'));
  await raise(client, alert('r1', 8));
  expect(await countOf(client, 'r1')).toBe(3);
});

it('tries that are further apart than the stream remembers message ids raise it once, too', async () => {
  await using client = await clientOn(server);
  const { config } = await client.manager.streams.info('EVENTS');
  await client.manager.streams.update('EVENTS', { ...config, duplicate_window: 100_000_000 });
  await raise(client, alert('r2'));
  const subject = 'evt.system.waiting';
  const ask = () => client.manager.jetstream().publish(subject, '', { msgID: 'forgotten' });
  await ask();
  await expect.poll(async () => (await ask()).duplicate).toBe(false); // the window is over
  await raise(client, alert('r2'));
  expect(await countOf(client, 'r2')).toBe(1);
});

it('the last alert about a run is told, if it was raised after a place in the log', async () => {
  await using client = await clientOn(server);
  const { connection, manager } = client;
  const history = natsAlertHistory(connection, manager);
  const last = (job: string, after = BEGINNING) => history.last(jobTypeId(job), runId('r3'), after);
  expect(await last('sample')).toBeUndefined();
  await raise(client, alert('r3'));
  await raise(client, { ...alert('r3', 8), rule: 'snapshot-too-large' });
  await raise(client, { ...alert('r3', 9), jobType: jobTypeId('other') });
  await client.manager.jetstream().publish('evt.alert.made-up.r3', 'not an alert');
  expect(await last('sample')).toEqual({ ...alert('r3', 8), rule: 'snapshot-too-large' });
  expect((await last('other'))?.facts.command).toBe(9);
  const end = (await manager.streams.info('EVENTS')).state.last_seq as Sequence;
  expect(await last('sample', end)).toBeUndefined();
});
