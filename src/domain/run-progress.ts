/**
 * How far a run has come, as its statechart says: by convention it keeps `progress: { done, total?, failed? }` in its context, in whatever it
 * counts. Unlike what an activity reports while it works, it is in the log. Shown to people, never used for decisions.
 */
import { z } from 'zod';
import type { Snapshot } from './statechart/snapshot.ts';

const Count = z.number().min(0);
const WithProgress = z.looseObject({ progress: z.object({ done: Count, total: Count.exactOptional(), failed: Count.exactOptional() }) });

export type RunProgress = z.output<typeof WithProgress>['progress'];

/** Undefined: the statechart does not say. */
export const progressOf = ({ context }: Pick<Snapshot, 'context'>): RunProgress | undefined =>
  WithProgress.safeParse(context).data?.progress;
