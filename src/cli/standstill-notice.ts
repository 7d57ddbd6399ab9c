import type { StandstillView } from '../runtime/schedule-view.ts';

/** On stderr, so that a table of schedules stays one: none of them starts anything, whatever its row says. */
export function tellStandstill(standstill: StandstillView | null): void {
  if (standstill === null) return;
  const { since, cause, by, note } = standstill;
  const why =
    cause === 'file' ? ` by ${note}` : `${by === null ? '' : ` by ${by}`}${note === null ? '' : ` (${note})`}: almanac resume ends that`;
  process.stderr.write(`almanac: all schedules are paused since ${since}${why}\n`);
}
