import { standstillText } from '../domain/schedule/standstill.ts';
import type { StandstillView } from '../runtime/schedule-view.ts';

/** On stderr, so that a table of schedules stays one: none of them starts anything, whatever its row says. */
export function tellStandstill(standstill: StandstillView | null): void {
  if (standstill !== null) process.stderr.write(`almanac: ${standstillText(standstill)}\n`);
}
