/** How long the runs of a job type last, as the log tells. */
import type { Instant, JobTypeId } from '../domain/ids.ts';
import type { Durations } from '../domain/schedule/forecast.ts';
import type { RunHistory } from './ports.ts';
import { viewOf } from './run-view.ts';

const DAY_MS = 86_400_000;
/** Read one after the other, until one has runs enough. */
const WINDOWS_MS = [DAY_MS, 30 * DAY_MS];
const ENOUGH_RUNS = 20;
/** Events of a job type that are read in a window, at most: a quarter of a second. */
const MOST_EVENTS = 50_000;

/** Undefined: no run of it has ended in the last thirty days. Of very many runs, the first ones of the window count. */
export async function runDurations(history: Pick<RunHistory, 'read'>, jobType: JobTypeId, now: Instant): Promise<Durations | undefined> {
  let durations: number[] = [];
  for (const windowMs of WINDOWS_MS) {
    durations = [];
    let events = 0;
    await history.read({ jobType, since: (now - windowMs) as Instant }, (stored) => {
      const { startedAt, endedAt } = viewOf(stored, undefined);
      if (endedAt !== null) durations.push(Date.parse(endedAt) - Date.parse(startedAt));
      return ++events === MOST_EVENTS ? 'stop' : undefined;
    });
    if (durations.length >= ENOUGH_RUNS) break;
  }
  return durations.length === 0 ? undefined : quantiles(durations.sort((a, b) => a - b));
}

function quantiles(sorted: readonly number[]): Durations {
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)]!;
  return { runs: sorted.length, medianMs: at(0.5), p95Ms: at(0.95) };
}
