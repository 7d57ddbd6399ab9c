/**
 * How many runs of a job type were being executed at once, over all processes.
 *
 * A run is executed from the first line of an activity to its last one. A process that was stopped, or cut off, does not know that its
 * lease has run out, and goes on for a moment when it wakes up: what it does then has no consequences, and no system could keep it from
 * doing it. So an execution also ends when another process takes the run over or ends it, perhaps before it began, and when its own
 * process dies.
 *
 * A server that was killed may have forgotten what it delivered last: it gives those places away until it delivers the same again. So
 * nothing is counted while it is away, and for a moment after.
 */
import type { Effect } from '../effects.ts';
import type { Evidence, Stored } from '../evidence.ts';
import { runOf } from './effect-checks.ts';
import { causeKind } from './event-kinds.ts';

type Complain = (rule: string, where: string, detail: string) => void;

const FORGOTTEN_MS = 1_000;

interface Interval {
  readonly run: string;
  readonly from: number;
  readonly to: number;
}

type Known = Pick<Evidence, 'runs' | 'effects' | 'limits' | 'deaths' | 'outages'>;

export function checkConcurrency(evidence: Known, complain: Complain): void {
  const crashes = evidence.outages.filter(({ source }) => source === undefined);
  const isCounted = (at: number) => !crashes.some(({ from, to }) => from <= at && at <= to + FORGOTTEN_MS);
  const laneOf = (run: string) => evidence.runs.get(run)?.[0]?.event.data.lease.lane ?? 'normal';
  const byLane = Map.groupBy(executions(evidence), ({ run }) => `${run.split('/')[0]} ${laneOf(run)}`);
  for (const [jobType, limits] of Object.entries(evidence.limits)) {
    for (const [lane, limit] of Object.entries(typeof limits === 'number' ? { normal: limits } : limits)) {
      const { most, at } = mostAtOnce(byLane.get(`${jobType} ${lane}`) ?? [], isCounted);
      if (most > limit)
        complain(
          'no more runs at once than allowed',
          `${jobType} ${lane}`,
          `${most} at ${new Date(at).toISOString()}, the limit is ${limit}`,
        );
    }
  }
}

function executions({ runs, effects, deaths }: Pick<Evidence, 'runs' | 'effects' | 'deaths'>): Interval[] {
  const diedAt = new Map(deaths.map(({ source, at }) => [source, at]));
  const open = new Map<string, Effect>();
  const intervals: Interval[] = [];
  const close = ({ at: from, source, ...effect }: Effect, endedAt: number) => {
    const run = runOf(effect);
    const to = Math.min(endedAt, takenOverAt(runs.get(run) ?? [], source, from), diedAt.get(source) ?? Number.POSITIVE_INFINITY);
    if (to > from) intervals.push({ run, from, to });
  };
  for (const effect of effects) {
    const start = `${effect.source} ${runOf(effect)} ${effect.activity} ${effect.visit}`;
    const started = open.get(start);
    if (started !== undefined) close(started, effect.at);
    open.delete(start);
    if (effect.what === 'started') open.set(start, effect);
  }
  for (const effect of open.values()) close(effect, Number.POSITIVE_INFINITY);
  return intervals;
}

/** When somebody else had the run, or ended it. */
function takenOverAt(history: readonly Stored[], source: string, from: number): number {
  const holders = history.filter(({ event }) => causeKind(event) === 'holder');
  const holder = holders.findLast(({ storedAtMs }) => storedAtMs <= from);
  if (holder !== undefined && holder.event.source !== source) return from;
  const isAnothers = ({ event }: Stored) => event.source !== source && (causeKind(event) === 'holder' || event.data.outcome !== undefined);
  return history.find((stored) => stored.storedAtMs >= from && isAnothers(stored))?.storedAtMs ?? Number.POSITIVE_INFINITY;
}

/** Two activities of one run are one execution. At the same millisecond, what ends does so before what begins. */
function mostAtOnce(intervals: readonly Interval[], isCounted: (at: number) => boolean): { most: number; at: number } {
  const changes = intervals.flatMap(({ run, from, to }) => [
    { at: from, run, by: 1 },
    { at: to, run, by: -1 },
  ]);
  changes.sort((a, b) => a.at - b.at || a.by - b.by);
  const executing = new Map<string, number>();
  let found = { most: 0, at: 0 };
  for (const { at, run, by } of changes) {
    const now = (executing.get(run) ?? 0) + by;
    if (now === 0) executing.delete(run);
    else executing.set(run, now);
    if (executing.size > found.most && isCounted(at)) found = { most: executing.size, at };
  }
  return found;
}
