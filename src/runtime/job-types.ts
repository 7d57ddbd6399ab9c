/** Job types made ready to run: checked, compiled for folding, and joined with the code of their activities. */
import type { Activities } from '../domain/activity.ts';
import { JobTypeError } from '../domain/errors.ts';
import { type JobTypeId, jobTypeId } from '../domain/ids.ts';
import { type JobType, limitProblems } from '../domain/job-type.ts';
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
  const { machine } = definition;
  const errors = [...lint(machine), ...lintForHost(machine)].filter((finding) => finding.level === 'error').map(describe);
  errors.push(...limitProblems(definition));
  for (const name of Object.keys(machine.implementations.actors)) {
    if (!(name in activities)) errors.push(`activity '${name}' has no code: register it with the job type`);
  }
  if (errors.length > 0)
    throw new JobTypeError(`job type ${definition.id} cannot be run:\n${errors.map((error) => `  - ${error}`).join('\n')}`);
  return { id: jobTypeId(definition.id), definition, statechart: foldable(machine), activities };
}

const describe = ({ rule, at, detail }: Finding) => `${at}: ${rule}${detail ? ` (${detail})` : ''}`;
