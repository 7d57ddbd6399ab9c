/** Job types made ready to run: checked, compiled for folding, and joined with the code of their activities. */
import type { Activities } from '../domain/activity.ts';
import { Definitions } from '../domain/definitions.ts';
import { JobTypeError } from '../domain/errors.ts';
import { type JobTypeId, jobTypeId } from '../domain/ids.ts';
import { type JobType, limitProblems } from '../domain/job-type.ts';
import { durationProblem, policyProblems } from '../domain/run-policy.ts';
import type { FoldableStatechart } from '../domain/statechart/fold.ts';
import { type Finding, lint, lintForHost } from '../domain/statechart/lint.ts';

export interface RunnableDefinition {
  readonly statechart: FoldableStatechart;
  readonly activities: Activities;
}

/** The newest definition, on which runs start, and those that runs in flight may still be on (invariant 9). */
export interface RunnableJobType extends RunnableDefinition {
  readonly id: JobTypeId;
  readonly definition: JobType;
  readonly definitions: Definitions;
  /** By hash, the newest among them. */
  readonly registered: ReadonlyMap<string, RunnableDefinition>;
}

/** @throws {JobTypeError} Lists everything that keeps the job type from running. */
export function runnable(definition: JobType, activities: Activities): RunnableJobType {
  const { machine, policy, queueTimeoutMs, previous = [] } = definition;
  const errors = [
    ...problemsOf(machine, activities),
    ...previous.flatMap((old, at) =>
      problemsOf(old.machine, { ...activities, ...old.activities }).map((problem) => `previous[${at}], ${problem}`),
    ),
  ];
  errors.push(...limitProblems(definition));
  if (policy !== undefined) {
    const names = Object.keys(machine.implementations.actors);
    errors.push(...policyProblems(policy, names).map((problem) => `policy: ${problem}`));
  }
  const problem = queueTimeoutMs === undefined ? undefined : durationProblem('queueTimeoutMs', queueTimeoutMs);
  if (problem !== undefined) errors.push(problem);
  if (errors.length > 0)
    throw new JobTypeError(`job type ${definition.id} cannot be run:\n${errors.map((error) => `  - ${error}`).join('\n')}`);
  const definitions = new Definitions(definition);
  const registered = new Map(
    [...definitions.registered].map(([hash, statechart]): [string, RunnableDefinition] => {
      const own = previous.find((old) => old.machine === statechart.machine)?.activities;
      return [hash, { statechart, activities: own === undefined ? activities : { ...activities, ...own } }];
    }),
  );
  return { id: jobTypeId(definition.id), definition, definitions, registered, statechart: definitions.newest, activities };
}

function problemsOf(machine: JobType['machine'], activities: Activities): string[] {
  const problems = [...lint(machine), ...lintForHost(machine)].filter((finding) => finding.level === 'error').map(describe);
  for (const name of Object.keys(machine.implementations.actors)) {
    if (!(name in activities)) problems.push(`activity '${name}' has no code: register it with the job type`);
  }
  return problems;
}

const describe = ({ rule, at, detail }: Finding) => `${at}: ${rule}${detail ? ` (${detail})` : ''}`;
