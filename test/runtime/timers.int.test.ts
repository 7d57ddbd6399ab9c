import { expect, it } from 'vitest';
import { type AnyStateMachine, setup } from 'xstate';
import { instant } from '../../src/domain/ids.ts';
import type { StoredRunEvent } from '../../src/runtime/ports.ts';
import { hostOn } from '../support/host-on.ts';
import { jobOf } from '../support/jobs.ts';
import { useNatsServer } from '../support/nats-server.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const server = useNatsServer();
const HOUR_MS = 3_600_000;
/** An hour of waiting, and another one in a state of its own. */
const patient = (id: string): AnyStateMachine =>
  setup({ delays: { anHour: HOUR_MS } }).createMachine({
    id,
    initial: 'waiting',
    states: {
      waiting: { after: { anHour: 'stillWaiting' } },
      stillWaiting: { after: { anHour: 'succeeded' } },
      succeeded: { type: 'final' },
    },
  });
const steps = (history: readonly StoredRunEvent[]) => history.map(({ event: { time, data } }) => [time, data.to]);

it('a timer fires once, when it is due', async () => {
  const job = jobOf(patient('patient'));
  const clock = new VirtualClock('2026-01-01T00:00:00Z');
  await using host = await hostOn(server, [job], { clock });
  await host.start(job, 'r1');
  await host.seen.times('started');
  expect(clock.nextAlarm).toBe('2026-01-01T01:00:00.000Z');
  clock.advanceTo('2026-01-01T01:00:00Z');
  await expect.poll(() => clock.nextAlarm).toBe('2026-01-01T02:00:00.000Z');
  clock.advanceTo('2026-01-01T02:00:00Z');
  expect(await host.seen.times('ended')).toEqual(['succeeded']);
  expect(steps(await host.historyOf(job, 'r1'))).toEqual([
    ['2026-01-01T00:00:00.000Z', 'waiting'],
    ['2026-01-01T01:00:00.000Z', 'stillWaiting'],
    ['2026-01-01T02:00:00.000Z', 'succeeded'],
  ]);
  expect(clock.nextAlarm).toBeUndefined();
});

it('a timer that became due while nobody ran fires at once, once; the next one counts from then', async () => {
  const job = jobOf(patient('patient-over-night'));
  const evening = await hostOn(server, [job], { clock: new VirtualClock('2026-01-01T20:00:00Z') });
  await evening.start(job, 'r1');
  await evening.seen.times('started');
  await evening.stop();
  const clock = new VirtualClock('2026-01-02T08:00:00Z');
  await using morning = await hostOn(server, [job], { clock });
  await expect.poll(() => clock.nextAlarm).toBe('2026-01-02T09:00:00.000Z');
  clock.advanceTo('2026-01-02T09:00:00Z');
  await morning.seen.times('ended');
  expect(steps(await morning.historyOf(job, 'r1'))).toEqual([
    ['2026-01-01T20:00:00.000Z', 'waiting'],
    ['2026-01-02T08:00:00.000Z', 'waiting'], // resumed
    ['2026-01-02T08:00:00.000Z', 'stillWaiting'],
    ['2026-01-02T09:00:00.000Z', 'succeeded'],
  ]);
});

it('a timer that is not due yet when another process takes over keeps its time', async () => {
  const job = jobOf(patient('patient-handed-over'));
  const first = await hostOn(server, [job], { clock: new VirtualClock('2026-01-01T00:00:00Z') });
  await first.start(job, 'r1');
  await first.seen.times('started');
  await first.stop();
  const clock = new VirtualClock('2026-01-01T00:40:00Z');
  await using second = await hostOn(server, [job], { clock });
  await expect.poll(() => clock.nextAlarm).toBe('2026-01-01T01:00:00.000Z');
  const [{ event }] = (await second.historyOf(job, 'r1')) as [StoredRunEvent];
  expect(Object.values(event.data.snapshot.timers ?? {})).toMatchObject([{ dueAt: instant(Date.parse('2026-01-01T01:00:00Z')) }]);
});
