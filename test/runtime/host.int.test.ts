import { expect, it } from 'vitest';
import type { Activity, ActivityContext } from '../../src/domain/activity.ts';
import { jobTypeId, runId } from '../../src/domain/ids.ts';
import { HistoryVerifier } from '../../src/runtime/history-verifier.ts';
import type { StoredRunEvent } from '../../src/runtime/ports.ts';
import { commandsLeft } from '../support/commands-left.ts';
import { clientOn, hostOn } from '../support/host-on.ts';
import { stepsJob, type TestJob } from '../support/jobs.ts';
import { useNatsServer } from '../support/nats-server.ts';

const server = useNatsServer();
const nothing: Activity<string, unknown> = () => Promise.resolve(null);
const types = (history: readonly StoredRunEvent[]) => history.map(({ event }) => event.type.replace('almanac.run.', ''));
const outcomeOf = (history: readonly StoredRunEvent[]) => history.at(-1)?.event.data.outcome;
function problemsIn({ jobType }: TestJob, history: readonly StoredRunEvent[]) {
  const verifier = new HistoryVerifier([jobType], { complete: true });
  for (const stored of history) verifier.take(stored);
  return verifier.result().problems;
}

it('runs a job to its end: one event a decision, each saying what led to it, and the command is gone', async () => {
  const asked: [string, ActivityContext][] = [];
  const job = stepsJob('to-the-end', ['first', 'second'], async (step, context) => {
    asked.push([step, context]);
    return `${step} done`;
  });
  await using host = await hostOn(server, [job]);
  await host.start(job, 'r1', { some: 'input' });
  await host.seen.times('ended');
  const history = await host.historyOf(job, 'r1');
  expect(types(history)).toEqual(['started', 'transitioned', 'finished']);
  expect(history.map(({ event: { data } }) => [data.revision, data.from, data.to])).toEqual([
    [1, null, 'first'],
    [2, 'first', 'second'],
    [3, 'second', 'succeeded'],
  ]);
  expect(history[0]?.event).toMatchObject({ traceparent: expect.stringMatching(/^00-/), data: { input: { some: 'input' } } });
  expect(history[2]?.event.data).toMatchObject({ outcome: 'succeeded', cause: { activity: 'second', visit: 2 } });
  expect(asked).toMatchObject([
    ['first', { runId: 'r1', idempotencyKey: 'r1/first/1' }],
    ['second', { runId: 'r1', idempotencyKey: 'r1/second/2' }],
  ]);
  expect(problemsIn(job, history)).toEqual([]);
  await expect.poll(() => commandsLeft(host.connection)).toEqual({ stored: 0, unacknowledged: 0 });
});

it('two processes share a thousand start commands, each sent twice: a thousand runs, and nothing is left', async () => {
  const job = stepsJob('thousand', ['only'], nothing);
  await using sender = await clientOn(server);
  const ids = Array.from({ length: 1_000 }, (_, n) => `r${n}`);
  const send = (id: string, messageId: string) =>
    sender.commands.start({ jobType: jobTypeId(job.jobType.id), runId: runId(id), input: {}, messageId });
  await Promise.all(ids.flatMap((id) => [send(id, `${id}/once`), send(id, `${id}/twice`)]));
  await using one = await hostOn(server, [job], { maxRuns: 50 });
  await using other = await hostOn(server, [job], { maxRuns: 50 });
  await expect.poll(() => commandsLeft(sender.connection), { timeout: 20_000 }).toEqual({ stored: 0, unacknowledged: 0 });
  const ended = [one, other].map(({ seen }) => seen.of('ended').length);
  expect(ended[0]! + ended[1]!).toBe(1_000);
  expect(Math.min(...ended)).toBeGreaterThan(0);
  const { state } = await sender.manager.streams.info('EVENTS', { subjects_filter: 'evt.run.thousand.>' });
  expect(Object.keys(state.subjects!)).toHaveLength(1_000);
  expect(new Set(Object.values(state.subjects!))).toEqual(new Set([2]));
});

it('a second command for a run that goes on is dropped, and the run is not disturbed', async () => {
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const job = stepsJob('twice', ['only'], () => gate.then(() => null));
  await using host = await hostOn(server, [job]);
  await host.start(job, 'r1');
  await host.seen.times('started');
  await host.commands.start({ jobType: jobTypeId('twice'), runId: runId('r1'), input: {}, messageId: 'another' });
  await expect.poll(() => commandsLeft(host.connection)).toEqual({ stored: 1, unacknowledged: 1 });
  open();
  await host.seen.times('ended');
  expect(types(await host.historyOf(job, 'r1'))).toEqual(['started', 'finished']);
  await host.commands.start({ jobType: jobTypeId('twice'), runId: runId('r1'), input: {}, messageId: 'long after' });
  await expect.poll(() => commandsLeft(host.connection)).toEqual({ stored: 0, unacknowledged: 0 });
  expect(types(await host.historyOf(job, 'r1'))).toEqual(['started', 'finished']);
});

it('what an activity throws reaches the statechart', async () => {
  const job = stepsJob('throwing', ['only'], () => Promise.reject(Object.assign(new Error('no vault'), { code: 'ENOENT' })));
  await using host = await hostOn(server, [job]);
  await host.start(job, 'r1');
  expect(await host.seen.times('ended')).toEqual(['failed']);
  const history = await host.historyOf(job, 'r1');
  expect(history.at(-1)?.event.data.snapshot.context).toMatchObject({ error: { message: 'no vault', code: 'ENOENT' } });
  expect(problemsIn(job, history)).toEqual([]);
});

it.each([
  ['is a character more than an output may be', 'x'.repeat(48 * 1024 - 1)],
  ['is small in characters and large in bytes', 'Ж'.repeat(30_000)],
  ['does not fit into the event together with the context that keeps it', 'x'.repeat(40_000)],
])('an output that %s is a failure of the activity, and the run ends', async (_, output) => {
  const job = stepsJob(`large-${output.length}`, ['only'], () => Promise.resolve(output));
  await using host = await hostOn(server, [job]);
  await host.start(job, 'r1');
  expect(await host.seen.times('ended')).toEqual(['failed']);
  expect(outcomeOf(await host.historyOf(job, 'r1'))).toBe('failed');
});

it('an output is what the log keeps of it, so the fold gives the same snapshot', async () => {
  const outputs: unknown[] = [Number.NaN, -0, undefined, new Date(0), { when: new Date(0), gone: undefined }, 'a\ud800b', [undefined]];
  const job = stepsJob(
    'odd-outputs',
    outputs.map((__, n) => `step-${n}`),
    async (step) => outputs[Number(step.split('-')[1])],
  );
  await using host = await hostOn(server, [job]);
  await host.start(job, 'r1');
  expect(await host.seen.times('ended')).toEqual(['succeeded']);
  expect(problemsIn(job, await host.historyOf(job, 'r1'))).toEqual([]);
});
