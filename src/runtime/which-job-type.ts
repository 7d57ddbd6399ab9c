import { ConflictError, NotFoundError } from '../domain/errors.ts';
import type { JobTypeId, RunId } from '../domain/ids.ts';

/** @throws {ConflictError} Several have a run of that id. */
export function onlyOne(jobTypes: readonly JobTypeId[], runId: RunId): JobTypeId | undefined {
  if (jobTypes.length > 1) throw new ConflictError(`run ${runId} exists in several job types: ${jobTypes.join(', ')}; name one with --job`);
  return jobTypes[0];
}

export const noSuchRun = (runId: RunId, jobType: JobTypeId | undefined) =>
  new NotFoundError(`there is no run ${runId}${jobType ? ` of ${jobType}` : ''}; see almanac run list`);
