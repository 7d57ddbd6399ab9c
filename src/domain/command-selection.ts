import type { JobTypeId } from './ids.ts';
import type { Lane } from './job-type.ts';

/** The commands that one consumer delivers. Wakes of all job types are one selection: nobody needs a statechart to wake a run. */
export type CommandSelection =
  | { readonly kind: 'start'; readonly jobType: JobTypeId; readonly lane: Lane }
  | { readonly kind: 'signal'; readonly jobType: JobTypeId }
  | { readonly kind: 'wake' }
  | { readonly kind: 'schedule' }
  | { readonly kind: 'control' };
