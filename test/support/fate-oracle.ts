/** Whether the log tells the truth about a schedule: by its rules, its pauses and the start commands there are, not by how fates are decided. */
import type { Instant } from '../../src/domain/ids.ts';
import { isExcluded } from '../../src/domain/schedule/exclusions.ts';
import type { Entry } from '../../src/domain/schedule/ledger.ts';
import { nextOccurrence, occurrencesAfter } from '../../src/domain/schedule/occurrences.ts';
import type { ScheduleState } from '../../src/domain/schedule/schedule.ts';
import type { ScheduleEvent } from '../../src/domain/schedule/schedule-event.ts';
import type { Still } from './schedules-world.ts';

export interface RecordedEvent {
  readonly sequence: number;
  readonly event: ScheduleEvent;
}
export interface Evidence {
  /** Of one schedule, oldest first. */
  readonly history: readonly RecordedEvent[];
  /** By run id: how many start commands there are. Those of the schedule are taken out. */
  readonly starts: Map<string, number>;
  /** When all schedules were paused. */
  readonly pauses: readonly { readonly since: Instant; readonly until: Instant }[];
  readonly stills: readonly Still[];
  /** By the clock that is ahead. */
  readonly now: Instant;
}
export interface Finding {
  readonly problems: readonly string[];
  readonly occurrences: number;
}

/** What a busy process may be late by, and still be on time. */
const ON_TIME_MS = 1_000;

export function examine(evidence: Evidence): Finding {
  const problems = [...wrongTriggered(evidence), ...wrongSteps(evidence), ...untrueFates(evidence), ...leftUndecided(evidence)];
  const occurrences = countFates(evidence, problems);
  return { problems, occurrences };
}

/** Each occurrence of each revision has one fate, nothing else has, and what was started has one start command. */
function countFates({ history, starts }: Evidence, problems: string[]): number {
  const entries = Map.groupBy(
    history.flatMap(({ event }) => event.data.entries),
    ({ dueAt }) => dueAt,
  );
  const stretches = history.flatMap(({ event }) => event.data.stretches);
  const waiting = new Set(history.at(-1)!.event.data.state.waiting.flatMap(({ dueAt, triggered }) => (triggered ? [] : dueAt)));
  const all = namedBy(history);
  const known = new Set(all.map(({ dueAt }) => dueAt));
  for (const { dueAt, excluded } of all) {
    const own = entries.get(dueAt) ?? [];
    const within = stretches.filter(({ from, to }) => from <= dueAt && dueAt <= to);
    const count = own.length + within.length + (waiting.has(dueAt) ? 1 : 0);
    if (count !== 1) problems.push(`${iso(dueAt)} has ${count} fates: ${JSON.stringify({ own, within })}`);
    if (excluded && own[0] !== undefined && own[0].fate !== 'excluded') problems.push(`${iso(dueAt)} is excluded, but ${own[0].fate}`);
    if (!excluded && own[0]?.fate === 'excluded') problems.push(`${iso(dueAt)} is not excluded`);
    for (const { fate, runId = '' } of own) {
      if (fate !== 'started') continue;
      if (starts.get(runId) !== 1) problems.push(`${iso(dueAt)} was started, with ${starts.get(runId) ?? 0} commands`);
      starts.delete(runId);
    }
    entries.delete(dueAt);
  }
  for (const [dueAt, own] of entries) problems.push(`${iso(dueAt)} was never due: ${JSON.stringify(own)}`);
  for (const dueAt of waiting) if (!known.has(dueAt)) problems.push(`${iso(dueAt)} waits, and was never due`);
  for (const { from, to } of stretches) {
    if (from > to || !known.has(from) || !known.has(to)) problems.push(`a stretch from ${iso(from)} to ${iso(to)}`);
  }
  return all.length;
}

/** Each revision names occurrences after the instant it was written, up to that of the next one, or of its end. */
function namedBy(history: readonly RecordedEvent[]): { dueAt: Instant; excluded: boolean }[] {
  const revisions = history.filter(({ event }) => /created|updated|deleted/.test(event.type)).map(({ event }) => event.data.state);
  return revisions.flatMap(({ spec: { timing }, decidedUntil, status }, index) => {
    if (status === 'deleted') return [];
    const until = (revisions[index + 1] ?? history.at(-1)!.event.data.state).decidedUntil;
    return [...occurrencesAfter(timing, decidedUntil, until)].map((dueAt) => ({ dueAt, excluded: isExcluded(timing, dueAt) }));
  });
}

/** What may not follow from the state before, whatever the clocks say. */
function wrongSteps({ history, stills }: Evidence): string[] {
  return history.flatMap(({ sequence, event: { data, type } }, index) => {
    const before: ScheduleState | undefined = history[index - 1]?.event.data.state;
    const { state, entries } = data;
    const starts = entries.some(({ fate }) => fate === 'started');
    const problems: string[] = [];
    if (before !== undefined && state.decidedUntil < before.decidedUntil) problems.push('goes back');
    if (starts && before?.status === 'paused') problems.push('starts something while the schedule is paused');
    if (starts && stills.some(({ after, to }) => after < sequence && sequence <= to)) {
      problems.push('starts something while all schedules are paused');
    }
    if (state.spec.overlap !== 'allow-all' && state.running.filter(({ triggered }) => !triggered).length > 1) {
      problems.push('lets runs overlap');
    }
    return problems.map((problem) => `event ${index} (${type}) ${problem}`);
  });
}

/** What a person asked for is in no ledger, but is started once. */
function wrongTriggered({ history, starts }: Evidence): string[] {
  const effects = history.flatMap(({ event }) => event.data.effects);
  const triggered = effects.flatMap((effect) => (effect.type === 'start' && effect.occurrence.triggered ? effect.occurrence.runId : []));
  return triggered.flatMap((runId) => {
    const count = starts.get(runId) ?? 0;
    starts.delete(runId);
    return count === 1 ? [] : [`${runId} was triggered, with ${count} commands`];
  });
}

function untrueFates({ history, pauses }: Evidence): string[] {
  const own = history.flatMap(({ event: { data } }) => {
    const { pause, paused } = data.state;
    return [...(pause ? [{ since: pause.since, until: Number.POSITIVE_INFINITY }] : []), ...(paused ? [paused] : [])];
  });
  const isPaused = (at: Instant) => [...pauses, ...own].some(({ since, until }) => since <= at && at <= until);
  return history.flatMap(({ event: { data } }) => {
    const { catchUp, timing } = data.state.spec;
    const problemOf = ({ fate, rule, lateMs, dueAt }: Entry): string | undefined => {
      // Of a schedule that is changed while all are paused, the end of that pause is not known yet.
      if (fate === 'paused' && rule === 'pause' && !isPaused(dueAt)) return 'was not paused';
      if (fate !== 'started') return undefined;
      if (lateMs < 0 && rule !== 'buffer') return 'is started before it is due';
      if (rule === 'on-time' && lateMs > ON_TIME_MS + timing.jitterMs) return 'is not on time';
      if (rule === 'catch-up' && (catchUp.policy === 'none' || lateMs > catchUp.windowMs)) return 'is started too late';
      return undefined;
    };
    return data.entries.flatMap((entry) => {
      const problem = problemOf(entry);
      return problem === undefined ? [] : [`${iso(entry.dueAt)} ${problem}: ${JSON.stringify(entry)}`];
    });
  });
}

function leftUndecided({ history, now }: Evidence): string[] {
  const { spec, decidedUntil } = history.at(-1)!.event.data.state;
  const next = nextOccurrence(spec.timing, decidedUntil);
  return next === undefined || next + spec.timing.jitterMs > now ? [] : [`${iso(next)} is due and has no fate at ${iso(now)}`];
}

const iso = (at: number): string => new Date(at).toISOString();
