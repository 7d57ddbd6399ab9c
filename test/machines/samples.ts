/** What the tests of every machine need to know of each: a new job type gets a line here. */
import type { Walkable } from '../support/model.ts';

export interface Sample extends Omit<Walkable, 'machine'> {
  /** Every state that random sequences of these events, of answers and of timers must have reached. */
  readonly states: readonly string[];
}

const nothingFound = { counts: {}, listed: [] };
const counters = { files_processed: 2, blocks_processed: 3, blocks_unchanged: 1, blocks_updated: 1, blocks_new: 1, errors: 0 };
const samples: Readonly<Record<string, Sample>> = {
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

export function sampleOf(id: string): Sample {
  const sample = samples[id];
  if (sample === undefined) throw new Error(`add a sample of ${id} to test/machines/samples.ts: its input, and what its activities return`);
  return sample;
}
