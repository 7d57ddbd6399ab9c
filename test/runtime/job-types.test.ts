import { expect, it } from 'vitest';
import type { JobType } from '../../src/domain/job-type.ts';
import { runnable } from '../../src/runtime/job-types.ts';
import { stepsJob } from '../support/jobs.ts';

const withMore = (more: Partial<JobType>) => {
  const { jobType, activities } = stepsJob('stated', ['first', 'second'], () => Promise.resolve(null), more);
  return () => runnable(jobType, activities);
};

it.each<[Partial<JobType>, string]>([
  [{ policy: { timeoutMs: 0 } }, 'policy: timeoutMs is 0: use whole milliseconds from 1'],
  [{ policy: { each: { retry: { maxAttempts: 0 } } } }, 'policy: each: maxAttempts is 0: use a whole number from 1'],
  [{ policy: { activities: { wrok: { timeoutMs: 5 } } } }, 'policy: activities.wrok: there is no such activity; there are work'],
  [{ queueTimeoutMs: -1 }, 'queueTimeoutMs is -1: use whole milliseconds from 1'],
])('a job type with %j cannot be run', (more, problem) => {
  expect(withMore(more)).toThrow(expect.objectContaining({ code: 'JOB_TYPE_INVALID', message: expect.stringContaining(problem) }));
});

it('one whose numbers are right can', () => {
  const policy = { timeoutMs: 5, each: { retry: { maxAttempts: 1 } }, activities: { work: { timeoutMs: 5 } } };
  expect(withMore({ policy, queueTimeoutMs: 1 })).not.toThrow();
});
