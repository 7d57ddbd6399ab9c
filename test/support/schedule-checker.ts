/**
 * Whether every occurrence of a schedule has exactly one recorded fate, by the log alone. It knows nothing of how fates are decided: only
 * which instants are due, from the arithmetic of an interval.
 */
import { hashOfEvent } from '../../src/domain/hash-chain.ts';
import type { ScheduleEvent } from '../../src/domain/schedule/schedule-event.ts';

export interface RecordedEvent {
  readonly event: ScheduleEvent;
  readonly bytes: Uint8Array;
}
/** Due at each multiple of `everyMs` since 1970. */
export interface Interval {
  readonly everyMs: number;
}

/** What is wrong, in words; nothing if all is well. */
export function problemsOf({ everyMs }: Interval, history: readonly RecordedEvent[], starts: ReadonlyMap<string, number>): string[] {
  const problems: string[] = [];
  const fates = new Map<number, string[]>();
  const fate = (dueAt: number, what: string) => fates.set(dueAt, [...(fates.get(dueAt) ?? []), what]);
  history.forEach(({ event }, index) => {
    const before = history[index - 1];
    if (event.data.previous !== (before === undefined ? null : hashOfEvent(before.bytes)))
      problems.push(`event ${index}: the chain is broken`);
    if (before !== undefined && event.data.state.decidedUntil < before.event.data.state.decidedUntil)
      problems.push(`event ${index}: it goes back`);
    if (event.data.state.revision !== 1) problems.push(`event ${index}: it has revision ${event.data.state.revision}`);
    const { entries, stretches } = event.data;
    const named = new Set<number>(entries.map(({ dueAt }) => dueAt));
    for (const entry of entries) {
      fate(entry.dueAt, `${entry.fate} (event ${index})`);
      const count = starts.get(entry.runId ?? '') ?? 0;
      if (entry.fate === 'started' && count !== 1)
        problems.push(`${iso(entry.dueAt)} was started by event ${index}, with ${count} commands`);
    }
    for (const { from, to, ...stretch } of stretches) {
      if (from % everyMs !== 0 || to % everyMs !== 0 || to < from)
        problems.push(`event ${index}: a stretch from ${iso(from)} to ${iso(to)}`);
      for (let dueAt: number = from; dueAt <= to; dueAt += everyMs) if (!named.has(dueAt)) fate(dueAt, `${stretch.fate} (event ${index})`);
    }
  });
  const first = history[0]!.event.data.state.decidedUntil;
  const last = history.at(-1)!.event.data.state;
  for (const { dueAt } of last.waiting) fate(dueAt, 'waits');
  for (let dueAt = Math.floor(first / everyMs) * everyMs + everyMs; dueAt <= last.decidedUntil; dueAt += everyMs) {
    const all = fates.get(dueAt) ?? [];
    if (all.length !== 1) problems.push(`${iso(dueAt)} has ${all.length} fates: ${all.join(', ')}`);
    fates.delete(dueAt);
  }
  for (const [dueAt, all] of fates) problems.push(`${iso(dueAt)} was never due, or is not decided yet: ${all.join(', ')}`);
  return problems;
}

const iso = (at: number): string => new Date(at).toISOString();
