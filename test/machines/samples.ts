/** What the tests of every machine need to know of each: a new job type gets a line here. */
import type { z } from 'zod';
import { nightly } from '../../machines/nightly.machine.ts';
import type { JobType } from '../../src/domain/job-type.ts';
import type { Walkable } from '../support/model.ts';

export interface Sample extends Omit<Walkable, 'machine'> {
  /** Of its input, where the registry does not have enough for a walk. @default the job type's */
  readonly schema?: z.ZodType;
  /** Every state that random sequences of these events, of answers and of timers must have reached. */
  readonly states: readonly string[];
}

const nothingFound = { counts: {}, listed: [] };
const counters = { files_processed: 2, blocks_processed: 3, blocks_unchanged: 1, blocks_updated: 1, blocks_new: 1, errors: 0 };
const report = (jobType: string, outcome: string) => ({ type: 'child.finished', child: `n1-${jobType}`, jobType, outcome });
const samples: Readonly<Record<string, Sample>> = {
  nightly: {
    schema: nightly([{ id: 'vault-sync' }, { id: 'system-maintenance' }]).input,
    input: {},
    outputs: { nameChildren: [{ start: 'n1-', end: '' }], startChild: [null], cancelChild: [null] },
    events: [
      ...['vault-sync', 'system-maintenance'].flatMap((job) => ['succeeded', 'failed'].map((outcome) => report(job, outcome))),
      ...[{ type: 'child.finished' }, { type: 'cancel' }, { type: 'retry' }],
    ],
    policy: { timeoutMs: 5_400_000, each: { retry: { maxAttempts: 2 } } },
    project: ({ results, progress, underWay, ending, activity, attempt, unavailable }: NightlyState) => [
      ...[results.length, progress.failed, underWay, ending, activity, attempt, unavailable > 0],
    ],
    isEnding: ({ ending }: NightlyState) => ending !== null,
    states: [
      ...['opening', 'starting', 'waiting', 'retrying', 'cancelling', 'draining'],
      ...['succeeded', 'completedWithErrors', 'failed', 'cancelled', 'timedOut'],
    ],
  },
  'vault-sync': {
    input: { tiers: [1, 2, 3] },
    outputs: {
      scanVault: [{ files: 2 }],
      reconcileBlocks: [{ counters, problems: nothingFound }],
      validateReferences: [{ ...nothingFound, markers_checked: 3, links_checked: 1 }],
      writeReport: [null],
    },
    policy: { timeoutMs: 5_400_000 }, // with which all of them are reached often
    project: ({ activity, attempt, unavailable }: { activity: string; attempt: number; unavailable: number }) => [
      activity,
      attempt,
      unavailable > 0,
    ],
    states: ['scanning', 'reconciling', 'validatingReferences', 'reporting', 'retrying', 'succeeded', 'failed', 'timedOut'],
  },
};

interface NightlyState {
  readonly results: readonly unknown[];
  readonly progress: { readonly failed: number };
  readonly underWay: boolean;
  readonly ending: string | null;
  readonly activity: string;
  readonly attempt: number;
  readonly unavailable: number;
}

/** Its input is parsed. */
export function sampleOf({ id, input }: JobType): Sample {
  const sample = samples[id];
  if (sample === undefined) throw new Error(`add a sample of ${id} to test/machines/samples.ts: its input, and what its activities return`);
  return { ...sample, input: (sample.schema ?? input).parse(sample.input) };
}
