/** A batch of any number of items, each a child that does nothing. */
import { z } from 'zod';
import { type BatchOptions, defineBatch } from '../../src/domain/define-batch.ts';
import type { Json } from '../../src/domain/statechart/json.ts';
import { noOpActivities, oneStep } from '../bench/no-op.machines.ts';
import type { TestJob } from './jobs.ts';

const input = z.object({ items: z.int() });

/** Items `0` to `items - 1`, page by page. */
export async function numbered({ input: { items }, cursor, limit }: { input: { items: number }; cursor: string | null; limit: number }) {
  const from = Number(cursor ?? 0);
  const next = Math.min(items, from + limit);
  return {
    items: Array.from({ length: next - from }, (_, index) => from + index),
    next: next < items ? String(next) : null,
    total: items,
  };
}

export type NumberedOptions = Partial<BatchOptions<typeof input, Json>>;

export function numberedBatch(child: string, window: number, more: NumberedOptions = {}): TestJob {
  return defineBatch({ id: 'numbers', summary: 'for a test', input, child, window, list: numbered, ...more });
}

export const noOpBatch = (window: number): { parent: TestJob; child: TestJob } => ({
  parent: numberedBatch(oneStep.id, window, { childInput: () => ({}) }),
  child: { jobType: oneStep, activities: noOpActivities },
});
