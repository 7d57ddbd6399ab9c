/** Retries of a step on a real server: the waits are in the log, as instants. */
import { expect, it } from 'vitest';
import { UnavailableError } from '../../src/domain/errors.ts';
import { outstanding } from '../../src/domain/statechart/snapshot.ts';
import { HistoryVerifier } from '../../src/runtime/history-verifier.ts';
import type { StoredRunEvent } from '../../src/runtime/ports.ts';
import { hostOn } from '../support/host-on.ts';
import type { TestJob } from '../support/jobs.ts';
import { useNatsServer } from '../support/nats-server.ts';
import { Sightings } from '../support/sightings.ts';
import { MINUTE_MS, threeSteps } from '../support/three-steps.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const server = useNatsServer();
const states = (history: readonly StoredRunEvent[]) => history.map(({ event }) => event.data.to);
const verified = (job: TestJob, history: readonly StoredRunEvent[]) => {
  const verifier = new HistoryVerifier([job.jobType], { complete: true });
  for (const stored of history) verifier.take(stored);
  return verifier.result();
};
const last = (history: readonly StoredRunEvent[]) => history.at(-1)!.event;

/** Fails so often before it succeeds, and remembers the idempotency key of each attempt. */
function failing(times: number, id: string, initialMs: number) {
  const calls = new Sightings();
  const download = (attempt: number, { idempotencyKey }: { readonly idempotencyKey: string }) => {
    calls.saw('attempt', idempotencyKey);
    if (attempt <= times) throw new Error(`attempt ${attempt} failed`);
  };
  return { calls, job: threeSteps({ id, retry: { initialMs, maxMs: 2 * initialMs, jitter: 'full' }, download }) };
}

it('a step that fails twice is tried again after short waits, then the run goes on to its end', async () => {
  const { calls, job } = failing(2, 'fails-twice', 20);
  await using host = await hostOn(server, [job]);
  await host.start(job, 'r1');
  expect(await host.seen.times('ended')).toEqual(['succeeded']);
  expect(new Set(calls.of('attempt')).size).toBe(3); // each attempt has a key of its own
  const history = await host.historyOf(job, 'r1');
  expect(states(history)).toEqual([
    'running.download.executing',
    'running.download.backingOff',
    'running.download.executing',
    'running.download.backingOff',
    'running.download.executing',
    'running.resize.executing',
    'running.upload.executing',
    'succeeded',
  ]);
  expect(last(history).data.snapshot.output).toEqual({
    results: {
      download: { path: '/tmp/a.png' },
      resize: { path: '/tmp/a.png-small', widths: [640, 320] },
      upload: { at: 'cdn:/tmp/a.png:/tmp/a.png-small:2' },
    },
    attempts: { download: 3, resize: 1, upload: 1 },
  });
  expect(host.seen.of('held back')).toEqual([]);
  expect(verified(job, history)).toEqual({ runs: 1, events: 8, problems: [], notes: [] }); // on replay, chance says the same
});

it('a process that takes a run over in the middle of a wait keeps its end, and the next attempt begins once', async () => {
  const { calls, job } = failing(1, 'handed-over', 10 * MINUTE_MS);
  const begin = new VirtualClock('2026-01-01T00:00:00Z');
  const first = await hostOn(server, [job], { clock: begin });
  await first.start(job, 'r1');
  await expect.poll(async () => states(await first.historyOf(job, 'r1')).at(-1)).toBe('running.download.backingOff');
  const waits = outstanding(last(await first.historyOf(job, 'r1')).data.snapshot).timers.filter(({ id }) => id.includes('backoffMs'));
  const dueAt = waits[0]!.dueAt;
  const waitMs = dueAt - begin.now();
  expect(waitMs).toBeGreaterThan(1);
  expect(waitMs).toBeLessThan(10 * MINUTE_MS);
  await first.stop();

  const clock = new VirtualClock(new Date(dueAt - 1).toISOString());
  await using second = await hostOn(server, [job], { clock });
  await expect.poll(() => clock.nextAlarm).toBe(new Date(dueAt).toISOString());
  expect(calls.of('attempt')).toHaveLength(1);
  clock.advanceTo(new Date(dueAt).toISOString());
  expect(await second.seen.times('ended')).toEqual(['succeeded']);
  expect(calls.of('attempt')).toHaveLength(2);
  const history = await second.historyOf(job, 'r1');
  expect(states(history)).toEqual([
    'running.download.executing',
    'running.download.backingOff',
    'running.download.backingOff', // resumed
    'running.download.executing',
    'running.resize.executing',
    'running.upload.executing',
    'succeeded',
  ]);
  expect(history[3]!.event.time).toBe(new Date(dueAt).toISOString());
});

it('a wait that ended while nobody ran is over at once', async () => {
  const { calls, job } = failing(1, 'over-night', 10 * MINUTE_MS);
  const evening = await hostOn(server, [job], { clock: new VirtualClock('2026-01-01T20:00:00Z') });
  await evening.start(job, 'r1');
  await expect.poll(async () => states(await evening.historyOf(job, 'r1')).at(-1)).toBe('running.download.backingOff');
  await evening.stop();
  await using later = await hostOn(server, [job], { clock: new VirtualClock('2026-01-01T20:30:00Z') });
  expect(await later.seen.times('ended')).toEqual(['succeeded']);
  expect(calls.of('attempt')).toHaveLength(2);
});

it('a run goes on, and is verified, under the numbers it started with, though a deployment changes every one of them', async () => {
  const calls = new Sightings();
  const download = (attempt: number) => {
    calls.saw('attempt');
    if (attempt < 3) throw new Error(`attempt ${attempt} failed`);
  };
  const id = 'redeployed';
  const before = threeSteps({ id, download, retry: { maxAttempts: 3, initialMs: 10 * MINUTE_MS, maxMs: 20 * MINUTE_MS, jitter: 'none' } });
  const after = threeSteps({
    id,
    download,
    retry: { maxAttempts: 1, initialMs: 1, factor: 5, maxMs: 2, jitter: 'equal' },
    timeoutMs: 5,
    stepTimeoutMs: 3,
  });
  const first = await hostOn(server, [before], { clock: new VirtualClock('2026-01-01T00:00:00Z') });
  await first.start(before, 'r1');
  await expect.poll(async () => states(await first.historyOf(before, 'r1')).at(-1)).toBe('running.download.backingOff');
  await first.stop();

  const clock = new VirtualClock('2026-01-01T00:05:00Z');
  await using second = await hostOn(server, [after], { clock, policyDefaults: { maxAttempts: 1, attemptTimeoutMs: 1 } });
  await expect.poll(() => clock.nextAlarm).toBe('2026-01-01T00:10:00.000Z');
  clock.advanceTo('2026-01-01T00:10:00.000Z');
  await calls.times('attempt', 2);
  await expect.poll(() => clock.nextAlarm).toBe('2026-01-01T00:30:00.000Z');
  clock.advanceTo('2026-01-01T00:30:00.000Z');
  expect(await second.seen.times('ended')).toEqual(['succeeded']);
  const history = await second.historyOf(before, 'r1');
  const timers = outstanding(history[0]!.event.data.snapshot).timers.map(({ dueAt }) => new Date(dueAt).toISOString());
  expect(timers.sort()).toEqual(['2026-01-01T00:01:00.000Z', '2026-01-01T01:00:00.000Z']);
  expect(history.map(({ event }) => event.data.policy?.each.retry.maxAttempts)).toEqual([3, ...history.slice(1).map(() => undefined)]);
  for (const deployed of [before, after]) expect(verified(deployed, history)).toMatchObject({ runs: 1, problems: [] });

  await second.start(after, 'r2'); // a run that begins now has the new numbers
  expect(await second.seen.times('ended', 2)).toEqual(['succeeded', 'failed']);
});

it('what a job leaves out is as the settings say', async () => {
  const { calls, job } = failing(5, 'as-set', 1);
  await using host = await hostOn(server, [job], { policyDefaults: { maxAttempts: 2, attemptTimeoutMs: 1_000 } });
  await host.start(job, 'r1');
  expect(await host.seen.times('ended')).toEqual(['failed']);
  expect(calls.of('attempt')).toHaveLength(2);
});

it('what is out of order costs no attempt, however often it is met', async () => {
  const calls = new Sightings();
  const download = (attempt: number) => {
    calls.saw('attempt', attempt);
    if (calls.of('attempt').length <= 6) throw new UnavailableError('the vault', 'it is not mounted', 5);
  };
  const job = threeSteps({ id: 'unavailable', retry: { maxAttempts: 1, initialMs: 1, maxMs: 1 }, download });
  await using host = await hostOn(server, [job]);
  await host.start(job, 'r1');
  expect(await host.seen.times('ended')).toEqual(['succeeded']);
  expect(calls.of('attempt')).toEqual([1, 1, 1, 1, 1, 1, 1]);
  const history = await host.historyOf(job, 'r1');
  expect(last(history).data.snapshot.output).toMatchObject({ attempts: { download: 1, resize: 1, upload: 1 } });
  expect(verified(job, history)).toMatchObject({ runs: 1, problems: [] });
});
