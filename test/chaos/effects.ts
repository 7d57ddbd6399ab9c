/**
 * What the activities did, as their processes wrote it down themselves: one line each, added with one write to a file of the process, so
 * that a kill -9 loses nothing of what was done before it.
 */
import { openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { ActivityContext } from '../../src/domain/activity.ts';

export interface Effect {
  /** `started` is the first thing an activity does; one of the others is the last. */
  readonly what: 'started' | 'returned' | 'threw' | 'aborted';
  readonly jobType: string;
  readonly runId: string;
  readonly activity: string;
  readonly visit: number;
  readonly key: string;
  /** As in the events of the same process. */
  readonly source: string;
  readonly pid: number;
  /** Milliseconds since the epoch, by the clock of the machine and not by the one that jumps. */
  readonly at: number;
  /** Counts the lines of the process. */
  readonly order: number;
}

export type RecordEffect = (what: Effect['what'], context: ActivityContext) => void;

export function effectsFile(folder: string, source: string): RecordEffect {
  const file = openSync(join(folder, `${process.pid}-${Date.now()}.jsonl`), 'a');
  let order = 0;
  return (what, { jobType, runId, activityId, visit, idempotencyKey }) => {
    const effect: Effect = {
      what,
      jobType,
      runId,
      activity: activityId,
      visit,
      key: idempotencyKey,
      source,
      pid: process.pid,
      at: Date.now(),
      order: ++order,
    };
    writeSync(file, `${JSON.stringify(effect)}\n`);
  };
}

/** In order of time. */
export function readEffects(folder: string): Effect[] {
  const lines = readdirSync(folder).flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n'));
  const effects = lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Effect);
  return effects.sort((a, b) => a.at - b.at || (a.source < b.source ? -1 : a.source > b.source ? 1 : a.order - b.order));
}
