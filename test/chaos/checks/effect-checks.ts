/** The log against what the activities wrote down themselves. */
import type { Effect } from '../effects.ts';
import type { Evidence, Stored } from '../evidence.ts';
import { EVENT_KINDS } from './event-kinds.ts';

type Complain = (rule: string, where: string, detail: string) => void;

/** Both times are of the same machine; each is cut off to whole milliseconds. */
const TOLERANCE_MS = 2;

export const runOf = ({ jobType, runId }: Pick<Effect, 'jobType' | 'runId'>): string => `${jobType}/${runId}`;
const startOf = ({ activity, visit }: Pick<Effect, 'activity' | 'visit'>): string => `${activity} of visit ${visit}`;

export function checkEffects({ runs, effects }: Pick<Evidence, 'runs' | 'effects'>, complain: Complain): void {
  const byRun = Map.groupBy(effects, runOf);
  for (const [run, done] of byRun) {
    const asked = firstAsked(runs.get(run) ?? []);
    for (const effect of done) {
      if (effect.key !== `${effect.runId}/${effect.activity}/${effect.visit}`)
        complain('the idempotency key names the visit', run, effect.key);
      if (effect.what !== 'started') continue;
      const stored = asked.get(startOf(effect));
      if (stored === undefined) complain('every attempt is in the log', run, `${startOf(effect)} was never asked for`);
      else if (stored.storedAtMs > effect.at + TOLERANCE_MS) {
        complain('append first, act second', run, `${startOf(effect)} began ${stored.storedAtMs - effect.at} ms before it was stored`);
      }
    }
  }
  for (const [run, history] of runs) checkResults(run, history, byRun.get(run) ?? [], complain);
}

/** Each start of an activity that the log asks for, and the event by which it does. */
function firstAsked(history: readonly Stored[]): Map<string, Stored> {
  const asked = new Map<string, Stored>();
  for (const stored of history) {
    for (const [activity, { visit, finished }] of Object.entries(stored.event.data.snapshot.activities ?? {})) {
      const start = startOf({ activity, visit });
      if (!finished && !asked.has(start)) asked.set(start, stored);
    }
  }
  return asked;
}

/** A result comes from the process that writes it: there it ended before, and there it ended in this way. */
function checkResults(run: string, history: readonly Stored[], done: readonly Effect[], complain: Complain): void {
  for (const { event, storedAtMs } of history) {
    const { cause, event: heard } = event.data;
    if (!('activity' in cause) || EVENT_KINDS[event.type] === undefined) continue;
    const start = startOf({ activity: cause.activity, visit: cause.visit });
    const what = heard?.type.startsWith('xstate.done.') ? 'returned' : 'threw';
    const ends = done.filter((effect) => startOf(effect) === start && effect.what === what && effect.source === event.source);
    if (ends.length === 0) complain('every result is of an activity that ended', run, `${start} never ${what} at ${event.source}`);
    else if (ends.every(({ at }) => at > storedAtMs + TOLERANCE_MS))
      complain('every result is of an activity that ended', run, `${start} ended later`);
  }
}
