import { expect, it } from 'vitest';
import { jobTypes } from '../../machines/index.ts';
import { resolvePolicy } from '../../src/domain/run-policy.ts';
import { lint, lintForHost } from '../../src/domain/statechart/lint.ts';
import { expectFoldEqualsInterpreter } from '../support/expect-fold-equals-interpreter.ts';
import { eventsOf } from '../support/model.ts';
import { sampleOf } from './samples.ts';

it.each(jobTypes.map((jobType) => [jobType.id, jobType] as const))('%s folds to the states of XState’s own interpreter', (_, jobType) => {
  const { machine } = jobType;
  const sample = sampleOf(jobType);
  const events = [...(sample.events ?? eventsOf(machine)), { type: 'unheard.of' }];
  const outputs = Object.fromEntries(Object.entries(sample.outputs).map(([src, [output]]) => [src, output]));
  const policy = resolvePolicy(sample.policy);
  const reached = expectFoldEqualsInterpreter(machine, sample.input, { events, outputs, seeds: 200, policy });
  expect([...reached].sort()).toEqual(sample.states.map((state) => JSON.stringify(state)).sort());
});

it.each(jobTypes.map((jobType) => [jobType.id, jobType] as const))('%s has nothing that works in a live actor only', (_, { machine }) => {
  expect([...lint(machine), ...lintForHost(machine)]).toEqual([]);
});
