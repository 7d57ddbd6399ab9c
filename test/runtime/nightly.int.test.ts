/** A night on a real server: its jobs are runs of their own, and whoever is lost on the way, it goes on. */
import { expect, it } from 'vitest';
import { z } from 'zod';
import { type NightlyOutput, nightly } from '../../machines/nightly.machine.ts';
import { nightlyActivities } from '../../src/activities/nightly/index.ts';
import { natsDeadLetters } from '../../src/adapters/nats/dead-letters.ts';
import { sweepStrays } from '../../src/adapters/nats/strays.ts';
import { systemClock } from '../../src/adapters/system/clock.ts';
import type { Activity } from '../../src/domain/activity.ts';
import { jobTypeId, runId } from '../../src/domain/ids.ts';
import { withParentsTold } from '../../src/runtime/handover.ts';
import { type Client, hostOn } from '../support/host-on.ts';
import { stepsJob, type TestJob } from '../support/jobs.ts';
import { useNatsServer } from '../support/nats-server.ts';
import { Sightings, sightingLog } from '../support/sightings.ts';
import { tcpProxy } from '../support/tcp-proxy.ts';
import { expectVerified } from '../support/verified.ts';

const server = useNatsServer();
const LEASE_MS = 500;
/** Leases have to run out, and the machine may be slow. */
const eventually = <Seen>(see: () => Promise<Seen>) => expect.poll(see, { timeout: 15_000 });

let scenes = 0;
/** A night of three jobs that are there for this test only. */
function night(work: (job: string) => Activity<string, unknown>, more: Record<string, Partial<TestJob['jobType']>> = {}) {
  const scene = ++scenes;
  const jobs = ['first', 'second', 'third'].map((name) => stepsJob(`${name}-${scene}`, ['only'], work(name), more[name]));
  const ids = jobs.map(({ jobType }) => jobType.id);
  const parent: TestJob = { jobType: { ...nightly(ids.map((id) => ({ id }))), concurrency: 16 }, activities: nightlyActivities };
  const run = `n${scene}`;
  const all = async (client: Client) =>
    (await Promise.all(jobs.map((job) => client.historyOf(job)))).flat().sort((a, b) => a.sequence - b.sequence);
  return {
    ...{ parent, jobs, ids, run },
    start: (client: Client, input: object = {}) => client.start(parent, run, { jobs: ids, ...input }),
    outcome: async (client: Client) => (await client.historyOf(parent, run)).at(-1)?.event.data.outcome,
    output: async (client: Client) => (await client.historyOf(parent, run)).at(-1)!.event.data.snapshot.output as unknown as NightlyOutput,
    /** Beginnings and ends of its jobs, in the order of the log. */
    story: async (client: Client) =>
      (await all(client)).flatMap(({ event, jobType }) => {
        const name = jobType.replace(`-${scene}`, '');
        if (event.type === 'almanac.run.started') return [`${name} begins`];
        return event.data.outcome === undefined ? [] : [`${name} ${event.data.outcome}`];
      }),
    verify: async (client: Client) => expectVerified(parent, await client.historyOf(parent, run)),
  };
}
const bad = async () => {
  throw new Error('no vault');
};
const good: Activity<string, unknown> = async () => 'done';

/** Works until it is told to go on, or to stop. */
function gate() {
  const seen = new Sightings();
  const { promise: opened, resolve: open } = Promise.withResolvers<void>();
  const work: Activity<string, unknown> = async (_, { signal }) => {
    seen.saw('working');
    await Promise.race([opened, new Promise((_done, stop) => signal.addEventListener('abort', () => stop(signal.reason)))]);
  };
  return { seen, work, open };
}

it('goes from job to job, also past one that fails and one that is refused', async () => {
  const tonight = night((job) => (job === 'first' ? bad : good), { second: { input: z.strictObject({ vault: z.string() }) } });
  await using host = await hostOn(server, [tonight.parent, ...tonight.jobs]);
  await tonight.start(host);
  await eventually(() => tonight.outcome(host)).toBe('completedWithErrors');
  expect(await tonight.story(host)).toEqual(['first begins', 'first failed', 'third begins', 'third succeeded']);
  const { jobs, notStarted } = await tonight.output(host);
  expect(jobs.map(({ outcome }) => outcome)).toEqual(['failed', 'refused', 'succeeded']);
  expect(notStarted).toEqual([]);
  await tonight.verify(host);
});

it('goes on past a job whose type no process has any more', async () => {
  const tonight = night(() => good);
  const [first, , third] = tonight.jobs;
  await using host = await hostOn(server, [tonight.parent, first!, third!]);
  await tonight.start(host);
  const letters = withParentsTold(natsDeadLetters(host.publisher), host.commands);
  await eventually(() => sweepStrays(host.manager, letters, sightingLog(host.seen), systemClock)).toBe(1);
  await eventually(() => tonight.outcome(host)).toBe('completedWithErrors');
  expect((await tonight.output(host)).jobs.map(({ outcome }) => outcome)).toEqual(['succeeded', 'refused', 'succeeded']);
});

it('that is to stop at a failure ends there, as a dead letter that says which job it was', async () => {
  const tonight = night((job) => (job === 'second' ? bad : good));
  await using host = await hostOn(server, [tonight.parent, ...tonight.jobs]);
  await tonight.start(host, { stopOnFailure: true });
  await eventually(() => tonight.outcome(host)).toBe('failed');
  expect(await tonight.story(host)).toEqual(['first begins', 'first succeeded', 'second begins', 'second failed']);
  const letter = () => host.manager.streams.getMessage('DEAD_LETTERS', { last_by_subj: 'dlq.run.nightly' });
  await eventually(async () => (await letter())?.header.get('Almanac-Reason')).toBe(`${tonight.ids[1]} ended as failed`);
});

it('cancelled, its job is cancelled, and the next ones do not begin', async () => {
  const { seen, work } = gate();
  const tonight = night((job) => (job === 'second' ? work : good));
  await using host = await hostOn(server, [tonight.parent, ...tonight.jobs]);
  await tonight.start(host);
  await seen.times('working');
  await host.commands.signal({ jobType: jobTypeId('nightly'), runId: runId(tonight.run) }, { event: { type: 'cancel' } });
  await eventually(() => tonight.outcome(host)).toBe('cancelled');
  expect(await tonight.story(host)).toEqual(['first begins', 'first succeeded', 'second begins', 'second cancelled']);
  expect((await tonight.output(host)).notStarted).toEqual([tonight.ids[2]]);
  await tonight.verify(host);
});

it.each(['during a job', 'as a job ends'])('goes on when its process is lost %s, and every job runs once', async (when) => {
  await using proxy = await tcpProxy(server);
  const { seen, work, open } = gate();
  const tonight = night((job) => (job === 'second' ? work : good));
  await using workers = await hostOn(server, tonight.jobs);
  const lost = await hostOn(proxy, [tonight.parent], { leaseMs: LEASE_MS });
  await tonight.start(workers);
  await seen.times('working');
  if (when === 'as a job ends') proxy.swallowAnswers();
  else proxy.refuse();
  open();
  await eventually(() => tonight.story(workers)).toContain('second succeeded');
  if (when === 'as a job ends') proxy.refuse();
  await using next = await hostOn(server, [tonight.parent], { leaseMs: LEASE_MS });
  await eventually(() => tonight.outcome(next)).toBe('succeeded');
  expect(await tonight.story(next)).toEqual(['first', 'second', 'third'].flatMap((job) => [`${job} begins`, `${job} succeeded`]));
  await tonight.verify(next);
  proxy.heal();
  await lost.stop();
});

it('begun anew after a failure, it has jobs of its own', async () => {
  let works = false;
  const tonight = night(() => async () => works || bad());
  await using host = await hostOn(server, [tonight.parent, ...tonight.jobs]);
  await tonight.start(host);
  await eventually(() => tonight.outcome(host)).toBe('failed');
  works = true;
  await host.commands.again({ jobType: jobTypeId('nightly'), runId: runId(tonight.run) }, 'restart');
  await eventually(() => tonight.outcome(host)).toBe('succeeded');
  const [earlier] = await host.historyOf(tonight.jobs[0]!);
  const { jobs } = await tonight.output(host);
  expect(jobs[0]!.runId).toMatch(new RegExp(`^${earlier!.runId}r\\d+$`));
});
