/** A job of three steps, each of which does what the test says. */
import { z } from 'zod';
import type { ActivityContext } from '../../src/domain/activity.ts';
import { defineJob } from '../../src/domain/define-job.ts';
import type { RetryPolicy } from '../../src/domain/retry.ts';

export interface ThreeStepsOptions {
  readonly id?: string;
  readonly retry?: Partial<RetryPolicy>;
  readonly timeoutMs?: number;
  readonly stepTimeoutMs?: number;
  /** Of the last step. @default 1 */
  readonly uploads?: number;
  /** Called by the first step; may throw. @default returns at once */
  readonly download?: (attempt: number, context: ActivityContext) => void;
}

export const MINUTE_MS = 60_000;

export const threeSteps = ({
  id = 'image',
  retry = {},
  timeoutMs = 60 * MINUTE_MS,
  stepTimeoutMs = MINUTE_MS,
  uploads = 1,
  download,
}: ThreeStepsOptions = {}) =>
  defineJob({
    id,
    summary: 'Makes a small copy of an image',
    input: z.strictObject({ url: z.string().default('https://example.com/a.png') }),
    retry,
    timeoutMs,
    stepTimeoutMs,
  })
    .step('download', {
      output: z.object({ path: z.string() }),
      run: async ({ input, attempt }, context) => {
        download?.(attempt, context);
        return { path: `/tmp/${input.url.split('/').at(-1)}` };
      },
    })
    .step('resize', {
      output: z.object({ path: z.string(), widths: z.array(z.int()) }),
      run: async ({ results }) => ({ path: `${results.download.path}-small`, widths: [640, 320] }),
    })
    .step('upload', {
      output: z.object({ at: z.string() }),
      retry: { maxAttempts: uploads },
      timeoutMs: 2 * MINUTE_MS,
      run: async ({ results: { download, resize } }) => ({ at: `cdn:${download.path}:${resize.path}:${resize.widths.length}` }),
    })
    .build();
