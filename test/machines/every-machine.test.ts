import { expect, it } from 'vitest';
import type { AnyEventObject } from 'xstate';
import { jobTypes } from '../../machines/index.ts';
import { resolvePolicy, type StatedPolicy } from '../../src/domain/run-policy.ts';
import { lint, lintForHost } from '../../src/domain/statechart/lint.ts';
import { expectFoldEqualsInterpreter } from '../support/expect-fold-equals-interpreter.ts';

interface Sample {
  readonly input: unknown;
  readonly events: readonly AnyEventObject[];
  /** What each activity answers. */
  readonly outputs: Readonly<Record<string, unknown>>;
  /** Every state that random sequences must have reached. */
  readonly states: readonly string[];
  /** Numbers with which they are reached often. */
  readonly policy: StatedPolicy;
}

const nothingFound = { counts: {}, listed: [] };
const counters = { files_processed: 2, blocks_processed: 3, blocks_unchanged: 1, blocks_updated: 1, blocks_new: 1, errors: 0 };
const samples: Readonly<Record<string, Sample>> = {
  'vault-sync': {
    input: { tiers: [1, 2, 3] },
    events: [{ type: 'retry' }, { type: 'unheard.of' }],
    outputs: {
      scanVault: { files: 2 },
      reconcileBlocks: { counters, problems: nothingFound },
      validateReferences: { ...nothingFound, markers_checked: 3, links_checked: 1 },
      writeReport: null,
    },
    states: ['scanning', 'reconciling', 'validatingReferences', 'reporting', 'retrying', 'succeeded', 'failed', 'timedOut'],
    policy: { timeoutMs: 5_400_000 },
  },
};

it.each(jobTypes.map((jobType) => [jobType.id, jobType] as const))(
  '%s folds to the states of XState’s own interpreter',
  (id, { machine, input }) => {
    const sample = samples[id];
    if (sample === undefined) throw new Error(`add a sample of ${id} to this test`);
    const reached = expectFoldEqualsInterpreter(machine, input.parse(sample.input), {
      ...sample,
      seeds: 200,
      policy: resolvePolicy(sample.policy),
    });
    expect([...reached].sort()).toEqual(sample.states.map((state) => JSON.stringify(state)).sort());
  },
);

it.each(jobTypes.map((jobType) => [jobType.id, jobType] as const))('%s has nothing that works in a live actor only', (_, { machine }) => {
  expect([...lint(machine), ...lintForHost(machine)]).toEqual([]);
});
