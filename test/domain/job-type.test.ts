import { expect, it } from 'vitest';
import { type JobType, laneLimits, limitProblems } from '../../src/domain/job-type.ts';
import { runnable } from '../../src/runtime/job-types.ts';
import { stepsJob } from '../support/jobs.ts';

it.each<[JobType['concurrency'], object]>([
  [undefined, { normal: 16 }],
  [3, { normal: 3 }],
  [
    { low: 1, normal: 2, high: 3 },
    { high: 3, normal: 2, low: 1 },
  ],
  [
    { normal: 2, low: 1 },
    { normal: 2, low: 1 },
  ],
])('a job type with concurrency %o has the lanes %o, highest first', (concurrency, lanes) => {
  const limits = laneLimits(concurrency === undefined ? {} : { concurrency });
  expect([...limits]).toEqual(Object.entries(lanes));
});

it.each<[string, unknown, string]>([
  ['none at once', 0, 'concurrency of lane normal is 0: use a whole number from 1'],
  ['half a run at once', { normal: 1, high: 0.5 }, 'concurrency of lane high is 0.5: use a whole number from 1'],
  ['no limit', Number.POSITIVE_INFINITY, 'concurrency of lane normal is Infinity: use a whole number from 1'],
  ['a misspelt lane', { normal: 1, hihg: 1 }, 'concurrency: there is no lane hihg: use high, normal, low'],
  ['no lane for commands that name none', { high: 1 }, 'concurrency: lane normal is missing: commands that name no lane go there'],
])('%s is refused', (_, concurrency, problem) => {
  expect(limitProblems({ concurrency: concurrency as number })).toEqual([problem]);
});

it('a job type that asks for impossible limits cannot be run, and all that is wrong is said', () => {
  const { jobType, activities } = stepsJob('senseless', ['only'], () => Promise.resolve(null));
  const senseless: JobType = { ...jobType, concurrency: { normal: 0 }, rate: { runs: 0, perMs: 1_000 } };
  expect(() => runnable(senseless, activities)).toThrow(/concurrency of lane normal is 0[\s\S]*rate.runs is 0/);
});
