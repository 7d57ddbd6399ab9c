/** A run that is parked is nobody's: it is woken at its time, or told something. */
import type { Evidence, Outage, Stored } from '../evidence.ts';
import { causeKind } from './event-kinds.ts';

type Complain = (rule: string, detail: string) => void;

/** Of whoever wakes it, and of the place it then waits for. */
const WAKE_TOLERANCE_MS = 15_000;

export function checkParking(
  history: readonly Stored[],
  { clocksSetBack, outages, parkAfterMs }: Pick<Evidence, 'clocksSetBack' | 'outages' | 'parkAfterMs'>,
  complain: Complain,
): void {
  for (const [index, parked] of history.entries()) {
    const next = history[index + 1];
    const { until } = parked.event.data.parked ?? {};
    if (until === undefined || next === undefined) continue;
    const kind = causeKind(next.event);
    const at = `revision ${next.event.data.revision} at ${next.sequence}`;
    if (kind !== 'holder' && kind !== 'signal') complain('a parked run is nobody’s', `${at}: ${JSON.stringify(next.event.data.cause)}`);
    if (until === null) {
      if (kind === 'holder') complain('a run that waits for a signal alone is not woken', at);
      continue;
    }
    if (kind !== 'holder') continue;
    const earlyMs = Date.parse(until) - Date.parse(next.event.time);
    if (earlyMs > parkAfterMs && !clocksSetBack.has(next.event.source))
      complain('a parked run is woken at its time', `${at}: ${earlyMs} ms early`);
    // By the clock of the machine: those of the processes may have moved meanwhile.
    const dueAt = parked.storedAtMs + Date.parse(until) - Date.parse(parked.event.time);
    const lateMs = next.storedAtMs - dueAt - downFor(outages, parked.storedAtMs, next.storedAtMs);
    if (lateMs > WAKE_TOLERANCE_MS) complain('a parked run is woken at its time', `${at}: ${lateMs} ms late`);
  }
}

function downFor(outages: readonly Outage[], from: number, to: number): number {
  return outages.reduce((sum, outage) => sum + Math.max(0, Math.min(outage.to, to) - Math.max(outage.from, from)), 0);
}
