import { expect } from 'vitest';
import { HistoryVerifier } from '../../src/runtime/history-verifier.ts';
import type { StoredRunEvent } from '../../src/runtime/ports.ts';
import type { TestJob } from './jobs.ts';

/** Folding the history again gives what it says (invariant 1). */
export function expectVerified({ jobType }: TestJob, history: readonly StoredRunEvent[]): void {
  const verifier = new HistoryVerifier([jobType], { complete: true });
  for (const stored of history) verifier.take(stored);
  expect(verifier.result()).toEqual({ runs: 1, events: history.length, problems: [], notes: [] });
}
