/** How long interrupted runs stood still: from the end of their process to the next event in their history. */
import { EVENT_KINDS } from './checks/event-kinds.ts';
import type { Evidence, Stored } from './evidence.ts';
import type { Death } from './fleet.ts';

export interface Recovery {
  readonly deaths: number;
  /** Runs that went on elsewhere. */
  readonly interrupted: number;
  /** Since the process was told to end: for SIGKILL, much the same. */
  readonly sinceSignal: Quantiles;
  /** Since it was gone. What went on before that counts as 0. */
  readonly sinceExit: Quantiles;
  /** The run that stood still longest. */
  readonly slowest: string;
}

interface Quantiles {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export function recoveryFrom(signal: Death['signal'], { runs, deaths }: Pick<Evidence, 'runs' | 'deaths'>): Recovery {
  const died = new Map(deaths.filter((death) => death.signal === signal).map((death) => [death.source, death]));
  const waits: { readonly run: string; readonly sinceSignal: number; readonly sinceExit: number }[] = [];
  for (const [run, history] of runs) {
    history.forEach((stored, index) => {
      const death = died.get(stored.event.source);
      const next = history[index + 1];
      if (death === undefined || next === undefined || next.storedAtMs < death.signalledAt || !wasHeld(stored)) return;
      if (next.event.source === stored.event.source || !EVENT_KINDS[next.event.type]?.takesOver) return;
      waits.push({ run, sinceSignal: next.storedAtMs - death.signalledAt, sinceExit: Math.max(0, next.storedAtMs - death.at) });
    });
  }
  const last = waits.reduce<(typeof waits)[number] | undefined>(
    (most, wait) => (wait.sinceSignal > (most?.sinceSignal ?? -1) ? wait : most),
    undefined,
  );
  return {
    deaths: died.size,
    interrupted: waits.length,
    sinceSignal: quantiles(waits.map(({ sinceSignal }) => sinceSignal)),
    sinceExit: quantiles(waits.map(({ sinceExit }) => sinceExit)),
    slowest: last?.run ?? '',
  };
}

/** By whoever wrote the event: it neither waits for its time nor has it ended. */
const wasHeld = ({ event: { data } }: Stored): boolean =>
  data.parked === undefined && data.outcome === undefined && data.lease.delivery > 0;

function quantiles(waits: number[]): Quantiles {
  const sorted = waits.sort((a, b) => a - b);
  const quantile = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return { p50Ms: quantile(0.5), p99Ms: quantile(0.99), maxMs: sorted.at(-1) ?? 0 };
}
