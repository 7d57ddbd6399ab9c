/** How long interrupted runs stood still: from the end of their process to the next event in their history. */
import { EVENT_KINDS } from './checks/event-kinds.ts';
import type { Evidence } from './evidence.ts';
import type { Death } from './fleet.ts';

export interface Recovery {
  readonly deaths: number;
  /** Runs that went on elsewhere. */
  readonly interrupted: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** The run that stood still longest. */
  readonly slowest: string;
}

export function recoveryFrom(signal: Death['signal'], { runs, deaths }: Pick<Evidence, 'runs' | 'deaths'>): Recovery {
  const died = new Map(deaths.filter((death) => death.signal === signal).map(({ source, at }) => [source, at]));
  const waits: { readonly run: string; readonly ms: number }[] = [];
  for (const [run, history] of runs) {
    history.forEach((stored, index) => {
      const diedAt = died.get(stored.event.source);
      const next = history[index + 1];
      if (diedAt === undefined || next === undefined || next.event.source === stored.event.source) return;
      if (EVENT_KINDS[next.event.type]?.takesOver && next.storedAtMs >= diedAt) waits.push({ run, ms: next.storedAtMs - diedAt });
    });
  }
  waits.sort((a, b) => a.ms - b.ms);
  const quantile = (share: number) => waits[Math.min(waits.length - 1, Math.floor(waits.length * share))]?.ms ?? 0;
  const last = waits.at(-1);
  return {
    deaths: died.size,
    interrupted: waits.length,
    p50Ms: quantile(0.5),
    p99Ms: quantile(0.99),
    maxMs: last?.ms ?? 0,
    slowest: last?.run ?? '',
  };
}
