/** The body of a wake, `cmd.<jobType>.wake.<runId>`: sent and read by Almanac alone. */
import { z } from 'zod';
import { isSafeToken, type JobTypeId, type RunId } from './ids.ts';
import { LANES } from './job-type.ts';

const Body = z.object({ until: z.iso.datetime(), forMs: z.number().min(0), lane: z.enum(LANES).optional() });

export type Wake = z.output<typeof Body> & { readonly jobType: JobTypeId; readonly runId: RunId };

/** Undefined when it is none of ours. Never throws: anybody may publish there. */
export function parseWake(subject: string, body: Uint8Array): Wake | undefined {
  const [, jobType, , runId] = subject.split('.');
  if (jobType === undefined || runId === undefined || !isSafeToken(jobType) || !isSafeToken(runId)) return undefined;
  try {
    return { ...Body.parse(JSON.parse(Buffer.from(body).toString())), jobType: jobType as JobTypeId, runId: runId as RunId };
  } catch {
    return undefined;
  }
}
