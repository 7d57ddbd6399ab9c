/** What the kit plays is what happens on a real server: the same history, but for who wrote it. */
import { expect, it } from 'vitest';
import { TerminalError } from '../../src/domain/errors.ts';
import type { RunEvent } from '../../src/domain/run-event.ts';
import { outstanding, type Snapshot } from '../../src/domain/statechart/snapshot.ts';
import { playRun } from '../../src/testing/index.ts';
import { hostOn } from '../support/host-on.ts';
import { useNatsServer } from '../support/nats-server.ts';
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
