import { describe, expect, it } from 'vitest';
import { type NightlyInput, type NightlyOutput, nightly, nightlyMachine } from '../../machines/nightly.machine.ts';
import { nightlyActivities } from '../../src/activities/nightly/index.ts';
import type { Child, Children } from '../../src/domain/activity.ts';
import { CHILD_FINISHED } from '../../src/domain/signal.ts';
import { describeState, isFinal, outcomeOf } from '../../src/domain/statechart/snapshot.ts';
import { type PlayedRun, playRun } from '../../src/testing/index.ts';
import { activityContext } from '../support/activity-context.ts';
import { modelOf } from '../support/model.ts';
import { sampleOf } from './samples.ts';

const all = ['concept-hygiene', 'vault-sync', 'system-maintenance'];
const { input } = nightly([...all, 'diagnostics'].map((id) => ({ id })));

describe('the input', () => {
  it.each<[object, Partial<NightlyInput>]>([
    [{}, { jobs: all, stopOnFailure: false }],
    [
      { jobs: ['diagnostics', 'vault-sync'], stopOnFailure: true },
      { jobs: ['diagnostics', 'vault-sync'], stopOnFailure: true },
    ],
  ])('%j means %j', (given, meant) => expect(input.parse(given)).toEqual(meant));

  it('leaves out the jobs that the deployment does not have', () => {
    expect(nightly([{ id: 'vault-sync' }]).input.parse({})).toMatchObject({ jobs: ['vault-sync'] });
  });

  it.each([
    [{ jobs: [] }, 'Too small'],
    [{ jobs: ['vault-sync', 'vault-sync'] }, 'names a job twice'],
    [{ jobs: ['nightly'] }, 'Invalid option'],
    [{ stopOnFailure: 'yes' }, 'expected boolean'],
    [{ job: 'vault-sync' }, 'Unrecognized key'],
  ])('%j is refused', (given, why) => expect(() => input.parse(given)).toThrow(why));

  it('is refused where none of the jobs of the night exists', () => {
    expect(() => nightly([{ id: 'diagnostics' }]).input.parse({})).toThrow('Too small');
  });
});

describe('its activities', () => {
  it('start and cancel the runs of others', async () => {
    const asked: { started: readonly Child[]; cancelled: readonly object[]; why?: string } = { started: [], cancelled: [] };
    const children: Children = {
      start: async (started) => void Object.assign(asked, { started }),
      cancel: async (cancelled, why) => void Object.assign(asked, { cancelled, why }),
    };
    const child = { jobType: 'vault-sync', runId: 'n1-vault-sync' };
    await nightlyActivities.startChild(child, { ...activityContext(), children });
    await nightlyActivities.cancelChild({ ...child, why: 'it is late' }, { ...activityContext(), children });
    expect(asked).toEqual({ started: [child], cancelled: [child], why: 'it is late' });
  });

  it('refuse a run whose id is too long to name children after', async () => {
    const context = { ...activityContext(), runId: 'x'.repeat(110) as never };
    await expect(nightlyActivities.nameChildren({ longest: 18 }, context)).rejects.toMatchObject({ retryable: false });
  });
});

describe('a night', () => {
  const { machine, ...sample } = { machine: nightlyMachine, ...sampleOf({ id: 'nightly' } as never) };
  const { states, edges } = modelOf({ machine, ...sample });
  const contextOf = (state: (typeof states)[0]) =>
    state.context as unknown as NightlyInput & { results: readonly unknown[]; underWay: boolean; ending: string | null };

  it('hears the report of the run under way wherever it meets the night: it would be lost for ever', () => {
    const underWay = states.filter((state) => !isFinal(state) && contextOf(state).underWay);
    for (const state of underWay) {
      const { jobs, results } = contextOf(state);
      const reports = edges.filter(
        ({ from, move }) => from === state && move.do === 'hear' && move.event.child === `n1-${jobs[results.length]}`,
      );
      expect(reports).toHaveLength(2);
      for (const { to } of reports) expect(contextOf(to).results).toHaveLength(results.length + 1);
    }
    expect(underWay.length).toBeGreaterThan(20);
  });

  it('hears of no other run, and of none twice', () => {
    for (const { from, move, to } of edges) {
      if (move.do !== 'hear' || move.event.type !== CHILD_FINISHED) continue;
      const { jobs, results, underWay } = contextOf(from);
      if (!underWay || move.event.child !== `n1-${jobs[results.length]}`) expect(to).toBe(from);
    }
  });

  it('starts no job before the one before it has ended, and none once it is to end', () => {
    for (const { from, move, to } of edges) {
      if (describeState(to.value) !== 'starting' || from === to) continue;
      expect(contextOf(from).ending).toBeNull();
      const reported = move.do === 'hear' && move.event.type === CHILD_FINISHED ? 1 : 0;
      expect(contextOf(to).results).toHaveLength(contextOf(from).results.length + reported);
    }
  });

  it('says in its output what became of every job', () => {
    for (const state of states) {
      if (outcomeOf(state) === undefined) continue;
      const { jobs, unfinished, notStarted } = state.output as unknown as NightlyOutput;
      const said = [...jobs.map(({ jobType }) => jobType), ...(unfinished ? [unfinished.jobType] : []), ...notStarted];
      expect(said).toEqual(contextOf(state).jobs);
      if (outcomeOf(state) === 'succeeded') expect(state.output).not.toHaveProperty('error');
    }
  });
});

describe('played', () => {
  const job = { jobType: nightly(all.map((id) => ({ id }))), activities: nightlyActivities };
  const play = (given: object = {}) => playRun(job, { input: given, runId: 'n1', at: '2026-11-23T02:00:00Z' });
  const end = (run: PlayedRun, jobType: string, outcome = 'succeeded', more: object = {}) =>
    run.signal({ type: CHILD_FINISHED, child: `n1-${jobType}`, jobType, outcome, ...more });
  const sent = (run: PlayedRun) =>
    run.sent.map((what) => ('start' in what ? `start ${what.start.runId}` : `${what.signal.event.type} ${what.signal.runId}`));

  it('starts each job when the one before it has ended, whoever holds it', async () => {
    const run = await play();
    expect(sent(run)).toEqual(['start n1-concept-hygiene']);
    await run.advance(3 * 3_600_000);
    expect(sent(run)).toHaveLength(1);
    await end(run, 'concept-hygiene');
    await run.crash();
    await end(run, 'vault-sync');
    await end(run, 'system-maintenance');
    expect(sent(run)).toEqual(all.map((id) => `start n1-${id}`));
    expect(run.outcome).toBe('succeeded');
    expect(run.context).toMatchObject({ progress: { done: 3, failed: 0, total: 3 } });
  });

  it('goes on after a job that ended badly, and says so', async () => {
    const run = await play();
    await end(run, 'concept-hygiene', 'failed', { output: { error: { message: 'no vault' } } });
    await end(run, 'vault-sync');
    await end(run, 'system-maintenance', 'refused');
    expect(run.outcome).toBe('completedWithErrors');
    expect(run.output).toEqual({
      jobs: [
        { jobType: 'concept-hygiene', runId: 'n1-concept-hygiene', outcome: 'failed', message: 'no vault' },
        { jobType: 'vault-sync', runId: 'n1-vault-sync', outcome: 'succeeded' },
        { jobType: 'system-maintenance', runId: 'n1-system-maintenance', outcome: 'refused' },
      ],
      notStarted: [],
    });
  });

  it('ends there, if that is wanted', async () => {
    const run = await play({ stopOnFailure: true });
    await end(run, 'concept-hygiene');
    await end(run, 'vault-sync', 'timedOut');
    expect([run.outcome, sent(run).length]).toEqual(['failed', 2]);
    expect(run.output).toMatchObject({ notStarted: ['system-maintenance'], error: { message: 'vault-sync ended as timedOut' } });
  });

  it('has failed when nothing went well', async () => {
    const run = await play({ jobs: ['vault-sync', 'concept-hygiene'] });
    await end(run, 'vault-sync', 'failed');
    await end(run, 'concept-hygiene', 'refused');
    expect(run.outcome).toBe('failed');
    expect(run.output).toMatchObject({ error: { message: 'vault-sync ended as failed, concept-hygiene ended as refused' } });
  });

  it('cancelled, it cancels the run under way, and waits half a minute for its report', async () => {
    const [heard, unheard] = [await play(), await play()];
    for (const run of [heard, unheard]) {
      await run.cancel();
      expect([run.state, sent(run).at(-1)]).toEqual(['draining', 'cancel n1-concept-hygiene']);
    }
    await end(heard, 'concept-hygiene', 'cancelled');
    expect(heard.output).toMatchObject({ jobs: [{ outcome: 'cancelled' }], notStarted: all.slice(1) });
    await unheard.cancel(); // said twice, it takes no longer
    await unheard.advance(30_000);
    expect(unheard.output).toEqual({
      jobs: [],
      unfinished: { jobType: 'concept-hygiene', runId: 'n1-concept-hygiene' },
      notStarted: all.slice(1),
    });
    expect([heard.outcome, unheard.outcome]).toEqual(['cancelled', 'cancelled']);
    expect(sent(unheard)).toHaveLength(2);
  });

  it('is over before the next night', async () => {
    const run = await play();
    await run.advance('2026-11-24T00:00:00Z');
    expect([run.state, sent(run).at(-1)]).toEqual(['draining', 'cancel n1-concept-hygiene']);
    await run.advance(30_000);
    expect(run.outcome).toBe('timedOut');
  });

  it('cannot be made to end by a run that is not its own', async () => {
    const run = await play();
    for (const odd of [{ child: 'n2-concept-hygiene' }, { jobType: 'vault-sync' }, { outcome: null }])
      await expect(end(run, 'concept-hygiene', 'succeeded', odd)).rejects.toThrow("refuses 'child.finished'");
  });
});
