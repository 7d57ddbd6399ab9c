/** Job types made ready to run: checked, compiled for folding, and joined with the code of their activities. */
import type { Activities } from '../domain/activity.ts';
import { JobTypeError } from '../domain/errors.ts';
import { type JobTypeId, jobTypeId } from '../domain/ids.ts';
import type { JobType } from '../domain/job-type.ts';
import { durationProblem, policyProblems } from '../domain/run-policy.ts';
import { type FoldableStatechart, foldable } from '../domain/statechart/fold.ts';
import { type Finding, lint, lintForHost } from '../domain/statechart/lint.ts';

export interface RunnableJobType {
  readonly id: JobTypeId;
  readonly definition: JobType;
  readonly statechart: FoldableStatechart;
  readonly activities: Activities;
}

/** @throws {JobTypeError} Lists everything that keeps the job type from running. */
export function runnable(definition: JobType, activities: Activities): RunnableJobType {
  const { machine, policy, queueTimeoutMs } = definition;
  const names = Object.keys(machine.implementations.actors);
  const errors = [...lint(machine), ...lintForHost(machine)].filter((finding) => finding.level === 'error').map(describe);
  for (const name of names) {
    if (!(name in activities)) errors.push(`activity '${name}' has no code: register it with the job type`);
  }
  if (policy !== undefined) errors.push(...policyProblems(policy, names).map((problem) => `policy: ${problem}`));
  const problem = queueTimeoutMs === undefined ? undefined : durationProblem('queueTimeoutMs', queueTimeoutMs);
  if (problem !== undefined) errors.push(problem);
  if (errors.length > 0)
    throw new JobTypeError(`job type ${definition.id} cannot be run:\n${errors.map((error) => `  - ${error}`).join('\n')}`);
  return { id: jobTypeId(definition.id), definition, statechart: foldable(machine), activities };
}

const describe = ({ rule, at, detail }: Finding) => `${at}: ${rule}${detail ? ` (${detail})` : ''}`;
