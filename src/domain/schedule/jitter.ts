import type { Instant, ScheduleId } from '../ids.ts';
import { seededRandom } from '../statechart/environment.ts';
import type { Timing } from './timing.ts';

/**
 * How long after `dueAt` this occurrence starts: whole milliseconds from 0 to `jitterMs`, both included. Every replica, and the same
 * one after a restart, gets the same answer; two schedules due at the same time get different ones.
 */
export function jitterOf(schedule: ScheduleId, { jitterMs }: Pick<Timing, 'jitterMs'>, dueAt: Instant): number {
  return jitterMs === 0 ? 0 : Math.floor(seededRandom(`${schedule}@${dueAt}`)() * (jitterMs + 1));
}
