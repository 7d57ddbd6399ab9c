/** What the kit plays is what happens on a real server: the same history, but for who wrote it. */
import { expect, it } from 'vitest';
import { publishConfirmed } from '../../src/adapters/nats/publish-confirmed.ts';
import { TerminalError } from '../../src/domain/errors.ts';
import type { RunEvent } from '../../src/domain/run-event.ts';
import type { ScheduleEvent } from '../../src/domain/schedule/schedule-event.ts';
import { outstanding, type Snapshot } from '../../src/domain/statechart/snapshot.ts';
import { playRun, playSchedule } from '../../src/testing/index.ts';
import { hostOn } from '../support/host-on.ts';
import { startTestServer, useNatsServer } from '../support/nats-server.ts';
import { historyOf, schedulerOn } from '../support/scheduler-on.ts';
import { type ThreeStepsOptions, threeSteps } from '../support/three-steps.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const server = useNatsServer();
const AT = '2026-11-23T03:00:00.000Z';

const firstDue = (snapshot: Snapshot) => new Date(Math.min(...outstanding(snapshot).timers.map(({ dueAt }) => dueAt))).toISOString();
/** Once the host has armed it. */
async function advanceTo(clock: VirtualClock, dueAt: string): Promise<void> {
  await expect.poll(() => clock.nextAlarm).toBe(dueAt);
  clock.advanceTo(dueAt);
}
const told = (history: readonly RunEvent[]) =>
  history.map(({ type, time, subject, data: { event, from, to, snapshot, revision, policy, input, outcome, parked } }) => {
    return JSON.parse(JSON.stringify({ type, time, subject, event, from, to, snapshot, revision, policy, input, outcome, parked }));
  });
it.each<[string, ThreeStepsOptions['download']]>([
  ['succeeds at once', undefined],
  [
    'succeeds at the third attempt',
    (attempt) => {
      if (attempt < 3) throw new Error('busy');
    },
  ],
  [
    'fails for good',
    () => {
      throw new TerminalError('gone');
    },
  ],
])('a run that %s', async (what, download) => {
  const job = threeSteps({ id: what.replaceAll(' ', '-'), ...(download && { download }) });
  const played = await playRun(job, { at: AT });
  await played.advance(60_000);

  const clock = new VirtualClock(AT);
  await using host = await hostOn(server, [job], { clock });
  await host.start(job, 'run-1');
  let waits = Promise.resolve();
  await host.followTo(job, 'run-1', ({ event: { data } }) => {
    if (data.to.endsWith('backingOff')) waits = waits.then(() => advanceTo(clock, firstDue(data.snapshot)));
  });
  await waits;
  const real = (await host.historyOf(job, 'run-1')).map(({ event }) => event);
  expect(real.length).toBeGreaterThan(1);
  expect(told(played.history)).toEqual(told(real));
});

it('a schedule that is paused, and misses some of its times', async () => {
  const spec = { jobType: 'job', timing: { cron: '0 * * * *' }, overlap: 'allow-all', catchUp: { policy: 'latest', windowMs: 4_800_000 } };
  const played = playSchedule(spec, {
    id: 'hourly',
    from: '2026-11-23T00:30:00Z',
    until: '2026-11-23T07:00:00Z',
    events: [
      { at: '2026-11-23T01:30:00Z', do: 'down', until: '2026-11-23T04:02:00Z' },
      { at: '2026-11-23T04:30:00Z', do: 'pause', note: 'the graph moves' },
      { at: '2026-11-23T06:30:00Z', do: 'resume' },
    ],
    runs: () => 86_400_000,
  });

  await using own = await startTestServer(); // schedules of other tests would be due, too
  const clock = new VirtualClock('2026-11-23T00:30:00Z');
  await using at = await schedulerOn(own, clock);
  const command = async (body: object) => {
    const before = (await historyOf(at.client, 'hourly')).length;
    await publishConfirmed(at.client.publisher, 'cmd.schedule.hourly', Buffer.from(JSON.stringify(body)), { messageId: `${before}` });
    await expect.poll(async () => (await historyOf(at.client, 'hourly')).length).toBeGreaterThan(before);
  };
  const armedFor = (hour: string) => expect.poll(() => clock.nextAlarm).toBe(`2026-11-23T${hour}:00:00.000Z`);
  await command({ do: 'create', spec });
  await armedFor('01');
  clock.advanceTo('2026-11-23T01:00:00Z');
  await armedFor('02'); // only then it is decided, by the time that the clock shows then
  clock.jumpTo('2026-11-23T04:02:00Z');
  await armedFor('05');
  clock.advanceTo('2026-11-23T04:30:00Z');
  await command({ do: 'pause', note: 'the graph moves' });
  await expect.poll(() => clock.nextAlarm).toBeUndefined();
  clock.advanceTo('2026-11-23T06:30:00Z');
  await command({ do: 'resume' });
  await armedFor('07');
  clock.advanceTo('2026-11-23T07:00:00Z');
  await armedFor('08');

  const decisions = (history: readonly ScheduleEvent[]) =>
    history.map(({ type, data: { entries, stretches, state } }) => ({ type, entries, stretches, state }));
  expect(decisions(played.history)).toEqual(decisions(await historyOf(at.client, 'hourly')));
  expect(new Set(played.ledger.map(({ fate }) => fate))).toEqual(new Set(['started', 'missed', 'coalesced', 'paused']));
});
