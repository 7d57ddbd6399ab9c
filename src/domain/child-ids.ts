/** How the runs that a run starts are named. */
import type { ActivityContext } from './activity.ts';
import { TerminalError } from './errors.ts';
import { MAX_ID_LENGTH } from './ids.ts';

/** A child's id is `start`, what it is called among its siblings, and `end`. */
export interface ChildIds {
  readonly start: string;
  readonly end: string;
}

/** What a run hands out before its first activity, if it has a time limit. A run that begins anew counts on from there. */
const FIRST_VISIT = 2;

/**
 * Children are named after their parent, so that starting them twice starts them once. A parent that begins anew has children of its own:
 * the earlier ones have ended, and would be taken for done. For the first activity of a run.
 *
 * @param longest Of what children are called among their siblings, in characters.
 * @throws {TerminalError} The ids would be too long.
 */
export function childIdsOf({ runId, visit }: Pick<ActivityContext, 'runId' | 'visit'>, longest: number): ChildIds {
  const childIds = { start: `${runId}-`, end: visit === FIRST_VISIT ? '' : `r${visit}` };
  const most = MAX_ID_LENGTH - 1 - longest - childIds.end.length;
  if (runId.length <= most) return childIds;
  throw new TerminalError(`the run's id has ${runId.length} characters; it may have ${most}, because its children's begin with it`);
}

export const childIdOf = ({ start, end }: ChildIds, name: string | number): string => `${start}${name}${end}`;
