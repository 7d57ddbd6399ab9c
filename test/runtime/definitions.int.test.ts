/** Runs in flight while the statechart of their job type changes (invariant 9). */
import { expect, it } from 'vitest';
import { type AnyStateMachine, setup } from 'xstate';
import { z } from 'zod';
import type { Activity } from '../../src/domain/activity.ts';
import { jobTypeId, runId } from '../../src/domain/ids.ts';
import type { JobType } from '../../src/domain/job-type.ts';
import { definitionHash } from '../../src/domain/statechart/definition-hash.ts';
import { commandsLeft } from '../support/commands-left.ts';
import { deadLettersOf } from '../support/dead-letter-operations.ts';
import { type Client, type HostOnOptions, hostOn, type TestHost } from '../support/host-on.ts';
import { jobOf, stepsJob, type TestJob } from '../support/jobs.ts';
import { useNatsServer } from '../support/nats-server.ts';
import { operationsOn } from '../support/operations-on.ts';
import { Sightings } from '../support/sightings.ts';
import { tcpProxy } from '../support/tcp-proxy.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const server = useNatsServer();
const hangs: Activity<string, unknown> = (_, { signal }) =>
  new Promise((_done, stop) => signal.addEventListener('abort', () => stop(signal.reason)));
const done: Activity<string, unknown> = async (step) => step;
const hashOf = ({ jobType }: TestJob) => definitionHash(jobType.machine);

const historyOf = async (client: Client, job: TestJob, run = 'r1') => (await client.historyOf(job, run)).map(({ event }) => event);
const typesOf = async (client: Client, job: TestJob, run?: string) =>
  (await historyOf(client, job, run)).map(({ type }) => type.replace('almanac.run.', ''));
const definitionsOf = async (client: Client, job: TestJob, run?: string) => [
  ...new Set((await historyOf(client, job, run)).map(({ data }) => data.definition)),
];
const nothingLeft = (client: Client) => expect.poll(() => commandsLeft(client.connection)).toEqual({ stored: 0, unacknowledged: 0 });

/** A deployment that begins run `r1`, which is in the activity of its first step when the deployment ends. */
async function beginOn(job: TestJob, input = {}): Promise<void> {
  const before = await hostOn(server, [job]);
  await before.start(job, 'r1', input);
  await before.seen.times('started');
  await before.stop();
}
const alertsAbout = async ({ manager }: Client, rule: string, job: TestJob) => {
  const last = await manager.streams.getMessage('EVENTS', { last_by_subj: `evt.alert.${rule}.r1` });
  const info = await manager.streams.info('EVENTS', { subjects_filter: `evt.alert.${rule}.r1` });
  return {
    last: last?.json<{ subject: string }>(),
    count: last?.json<{ subject: string }>().subject.startsWith(`${job.jobType.id}/`) ? info.state.subjects?.[`evt.alert.${rule}.r1`] : 0,
  };
};

it('without the old definition and without a mapping a run is held: nothing is appended, one alert is raised, and describe says what to do', async () => {
  const old = stepsJob('changed', ['first'], hangs);
  await beginOn(old);
  const changed = stepsJob('changed', ['first', 'second'], done);
  await using after = await hostOn(server, [changed], { triesBeforeSuspending: 4 });
  await after.seen.times('held back', 2);
  expect(await typesOf(after, changed)).toEqual(['started']);
  const { last, count } = await alertsAbout(after, 'definition-changed', changed);
  expect(count).toBe(1);
  expect(last).toMatchObject({
    type: 'almanac.alert.raised',
    subject: 'changed/r1',
    source: expect.stringMatching(/^\/almanac\//),
    data: {
      rule: 'definition-changed',
      key: 'r1',
      jobType: 'changed',
      runId: 'r1',
      summary: expect.stringContaining(`run r1 is on definition ${hashOf(old)} of changed, this process has ${hashOf(changed)}`),
      facts: { code: 'DEFINITION_CHANGED', state: 'held' },
    },
  });

  const operations = operationsOn(after, [changed]);
  const { held } = await operations.describeRun(runId('r1'), jobTypeId('changed'));
  expect(held).toEqual({
    code: 'DEFINITION_CHANGED',
    reason: expect.stringMatching(/deploy the old definition .*`previous`.*`adopt`.*dlq drop/),
  });
  await after.seen.times('held back', 3);
  await nothingLeft(after);
  const laidAside = await operations.describeRun(runId('r1'), jobTypeId('changed'));
  expect(laidAside.held?.reason).toMatch(/laid aside \(almanac dlq list --job changed\); almanac dlq redrive/);
  expect(await alertsAbout(after, 'definition-changed', changed)).toMatchObject({
    count: 2,
    last: { data: { facts: { state: 'laid-aside' } } },
  });
});

it('with the old definition beside the new one a run finishes on it, with its own activities, while new runs start on the new one', async () => {
  const old = stepsJob('beside', ['first'], hangs);
  await beginOn(old);
  const by = new Sightings();
  const previous = [{ machine: old.jobType.machine, activities: { work: async (step: string) => by.saw('old', step) } }];
  const changed = stepsJob('beside', ['second'], async (step) => by.saw('new', step), { previous });
  await using after = await hostOn(server, [changed]);
  await after.start(changed, 'r2');
  await after.seen.times('ended', 2);
  expect(await typesOf(after, changed)).toEqual(['started', 'resumed', 'finished']);
  expect(await definitionsOf(after, changed)).toEqual([hashOf(old)]);
  expect(await definitionsOf(after, changed, 'r2')).toEqual([hashOf(changed)]);
  expect({ old: by.of('old'), new: by.of('new') }).toEqual({ old: ['first'], new: ['second'] });

  const operations = operationsOn(after, [changed]);
  expect((await operations.describeRun(runId('r1'), jobTypeId('beside'))).held).toBeNull();
  const selection = { jobType: jobTypeId('beside') };
  expect(await operations.verify(selection)).toMatchObject({ runs: 2, events: 5, problems: [], notes: [] });
  const newOnly = operationsOn(after, [stepsJob('beside', ['second'], done)]);
  expect(await newOnly.verify(selection)).toMatchObject({
    problems: [],
    notes: [expect.stringMatching(`^3 events of 1 runs were made on definition ${hashOf(old)} of beside, which is not registered here`)],
  });
});

const adopting = (id: string, from: TestJob, work: Activity<string, unknown>, more: Partial<JobType> = {}): TestJob =>
  stepsJob(id, ['begin', 'last'], work, {
    adopt: [{ from: hashOf(from), states: { first: 'begin' }, activities: { first: 'begin' } }],
    ...more,
  });

it('with a mapping a run is adopted before anything moves, and finishes on the new definition', async () => {
  const old = stepsJob('mapped', ['first'], hangs);
  await beginOn(old);
  const keys: string[] = [];
  const job = adopting('mapped', old, async (step, { idempotencyKey }) => {
    keys.push(idempotencyKey);
    return step;
  });
  await using after = await hostOn(server, [job]);
  await after.seen.times('ended');
  const history = await historyOf(after, job);
  expect(history.map(({ data }) => [data.from, data.to])).toEqual([
    [null, 'first'],
    ['first', 'begin'],
    ['begin', 'last'],
    ['last', 'succeeded'],
  ]);
  expect(await typesOf(after, job)).toEqual(['started', 'adopted', 'transitioned', 'finished']);
  expect(history.map(({ data }) => data.definition)).toEqual([hashOf(old), hashOf(job), hashOf(job), hashOf(job)]);
  expect(keys).toEqual(['r1/begin/1', 'r1/last/2']);
  expect(await operationsOn(after, [job]).verify({ jobType: jobTypeId('mapped') })).toMatchObject({ runs: 1, events: 4, problems: [] });
  await nothingLeft(after);
});

it('a process that is cut off after it has adopted a run leaves one adoption in the log, and the next one goes on', async () => {
  const old = stepsJob('adopted-once', ['first'], hangs);
  await beginOn(old);
  await using proxy = await tcpProxy(server);
  const options = { leaseMs: 500 };
  await using cutOff = await hostOn(proxy, [adopting('adopted-once', old, hangs)], options);
  await using reader = await hostOn(server, []);
  await expect.poll(() => typesOf(reader, old)).toContain('adopted');
  proxy.refuse();
  const job = adopting('adopted-once', old, done);
  await using next = await hostOn(server, [job], options);
  await next.seen.times('ended');
  const types = (await typesOf(next, job)).filter((type) => type !== 'resumed');
  expect(types).toEqual(['started', 'adopted', 'transitioned', 'finished']);
  proxy.heal();
  await cutOff.stop();
});

it('a mapping that forgets a state is refused, with everything that is wrong; a repaired one adopts the run', async () => {
  const old = stepsJob('forgetful', ['first'], hangs);
  await beginOn(old);
  const forgetful = stepsJob('forgetful', ['begin', 'last'], done, { adopt: [{ from: hashOf(old), context: () => undefined as never }] });
  const refusing = await hostOn(server, [forgetful]);
  await refusing.seen.times('held back');
  expect(await typesOf(refusing, old)).toEqual(['started']);
  const { held } = await operationsOn(refusing, [forgetful]).describeRun(runId('r1'), jobTypeId('forgetful'));
  expect(held).toMatchObject({ code: 'ADOPTION_REFUSED' });
  expect(held?.reason).toMatch(/cannot move .*\n {2}- first: there is no such state any more.*\n {2}- context: the new one is not JSON/);
  expect((await alertsAbout(refusing, 'adoption-refused', old)).count).toBe(1);
  await refusing.stop();

  const job = adopting('forgetful', old, done);
  await using repaired = await hostOn(server, [job]);
  await repaired.seen.times('ended');
  expect(await typesOf(repaired, job)).toEqual(['started', 'adopted', 'transitioned', 'finished']);
  expect((await operationsOn(repaired, [job]).describeRun(runId('r1'), jobTypeId('forgetful'))).held).toBeNull();
});

it('of two deployments at once, each goes on with the runs of its own definition, whoever gets them first', async () => {
  const gates = new Map<string, () => void>();
  const seen = new Sightings();
  const gated: Activity<string, unknown> = (step, { runId: run, signal }) =>
    new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason));
      gates.set(run, () => resolve(step));
      seen.saw('working', run);
    });
  const [one, two] = [stepsJob('both', ['first'], gated), stepsJob('both', ['other'], gated)];
  const first = await hostOn(server, [one]);
  await first.start(one, 'r1');
  await seen.times('working');
  await first.stop(); // its run goes to whoever comes first
  await using newer = await hostOn(server, [two]);
  await newer.seen.times('held back');
  await using older = await hostOn(server, [one]);
  await newer.start(two, 'r2');
  await expect.poll(() => seen.of('working').length, { timeout: 20_000 }).toBe(3);
  for (const open of gates.values()) open();
  await expect.poll(() => older.seen.of('ended').length + newer.seen.of('ended').length, { timeout: 20_000 }).toBe(2);
  expect(await definitionsOf(newer, two, 'r1')).toEqual([hashOf(one)]);
  expect(await typesOf(newer, two, 'r2')).toEqual(['started', 'finished']);
  await nothingLeft(newer);
});

it('a timer is due when it was, under the new name of its state', async () => {
  const waitsIn = (state: string, more: Partial<JobType> = {}) => {
    const machine: AnyStateMachine = setup({ delays: { limitMs: 3_600_000 } }).createMachine({
      id: 'timed',
      initial: state,
      states: { [state]: { after: { limitMs: 'expired' } }, expired: { type: 'final' } },
    });
    return jobOf(machine, {}, more);
  };
  const clock = new VirtualClock('2026-01-01T00:00:00Z');
  const on = (job: TestJob, options: HostOnOptions = {}): Promise<TestHost> => hostOn(server, [job], { clock, ...options });
  const old = waitsIn('waiting');
  const before = await on(old);
  await before.start(old, 'r1');
  await before.seen.times('started');
  await before.stop();
  clock.advanceTo('2026-01-01T00:30:00Z');

  const job = waitsIn('resting', { adopt: [{ from: hashOf(old), states: { waiting: 'resting' } }] });
  await using after = await on(job);
  await expect.poll(() => typesOf(after, job)).toContain('adopted');
  await expect.poll(() => clock.nextAlarm).toBe('2026-01-01T01:00:00.000Z');
  clock.advanceTo('2026-01-01T01:00:00Z');
  await after.seen.times('ended');
  expect((await historyOf(after, job)).at(-1)).toMatchObject({
    time: '2026-01-01T01:00:00.000Z',
    data: { to: 'expired', cause: { timer: 'xstate.after.limitMs.timed.resting', visit: 1 } },
  });
  expect(await operationsOn(after, [job]).verify({ jobType: jobTypeId('timed') })).toMatchObject({ problems: [] });
});

it('the check before a deployment tells by definition what would become of the runs in flight', async () => {
  const ids = ['r1', 'r2', 'r3'];
  const old = stepsJob('asked', ['first'], hangs);
  await using host = await hostOn(server, [old]);
  for (const id of ids) await host.start(old, id);
  await host.seen.times('started', ids.length);
  const gone = stepsJob('asked', ['begin'], done);
  const check = (...jobs: TestJob[]) => operationsOn(host, jobs).checkDefinitions(jobTypeId('asked'));
  const group = { jobType: 'asked', definition: hashOf(old), runs: 3 };
  expect(await check(old)).toMatchObject([{ ...group, with: 'newest', reason: null }]);
  const beside = stepsJob('asked', ['begin'], done, { previous: [{ machine: old.jobType.machine }] });
  expect(await check(beside)).toMatchObject([{ ...group, with: 'registered', reason: null }]);
  expect(await check(adopting('asked', old, done))).toMatchObject([{ ...group, with: 'adopted', reason: null }]);
  expect(await check(gone)).toMatchObject([{ ...group, with: 'held', reason: expect.stringContaining('deploy the old definition') }]);
  const forgetful = stepsJob('asked', ['begin'], done, { adopt: [{ from: hashOf(old) }] });
  const [refused, ...more] = await check(forgetful);
  expect(refused).toMatchObject({ ...group, with: 'held', reason: expect.stringContaining('first: there is no such state') });
  expect([...refused!.examples].sort()).toEqual(ids);
  expect(more).toEqual([]);
  expect(await check()).toMatchObject([{ ...group, with: 'held', reason: 'there is no job type asked in this code' }]);
});

it('a run goes on though the job type takes other input now, also by another command', async () => {
  const old = stepsJob('other-input', ['first'], hangs, { input: z.strictObject({ n: z.int() }) });
  await beginOn(old, { n: 1 });
  const strict = { input: z.strictObject({ name: z.string() }) };
  const held = await hostOn(server, [stepsJob('other-input', ['begin'], done, strict)], { triesBeforeSuspending: 1 });
  await held.seen.times('held back');
  const letters = deadLettersOf(held);
  await expect.poll(() => letters.list({ jobType: 'other-input' }, 5)).toMatchObject([{ code: 'DEFINITION_CHANGED', runId: 'r1' }]);
  await held.stop();

  const job = adopting('other-input', old, done, strict);
  await using repaired = await hostOn(server, [job]);
  const [letter] = await deadLettersOf(repaired).list({ jobType: 'other-input' }, 5);
  await deadLettersOf(repaired).carryOut('redrive', [letter!], { who: 'test' });
  await repaired.seen.times('ended');
  expect(await typesOf(repaired, job)).toEqual(['started', 'adopted', 'transitioned', 'finished']);

  await repaired.commands.start({
    jobType: jobTypeId('other-input'),
    runId: runId('r1'),
    input: { name: 'another' },
    messageId: 'another',
  });
  await expect.poll(() => deadLettersOf(repaired).list({ jobType: 'other-input' }, 5)).toMatchObject([{ code: 'KEY_REUSED' }]);
});
