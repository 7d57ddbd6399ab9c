/** A schedule as people and programs see it: `almanac schedule describe -o json`. Instants are ISO 8601, UTC. */
import type { Instant, JobTypeId, RunId, ScheduleId } from '../domain/ids.ts';
import type { Fate, Rule } from '../domain/schedule/ledger.ts';
import { nextOccurrence } from '../domain/schedule/occurrences.ts';
import type { Occurrence, ScheduleSpec, ScheduleState } from '../domain/schedule/schedule.ts';
import type { ScheduleEvent } from '../domain/schedule/schedule-event.ts';
import type { Standstill } from '../domain/schedule/standstill.ts';
import { timingText } from '../domain/schedule/timing-text.ts';
import { type WrittenTiming, writtenTiming } from '../domain/schedule/written-timing.ts';

export interface ScheduleView {
  readonly id: ScheduleId;
  readonly jobType: JobTypeId;
  readonly status: ScheduleState['status'];
  /** In a line. */
  readonly timing: string;
  /** Its next due time, jitter left aside; null while it or all of them are paused, and when there is none. */
  readonly next: string | null;
  /** Who says what it is: the `code`, or an `operator`. */
  readonly owner: ScheduleState['owner'];
  readonly revision: number;
  readonly pause: { readonly since: string; readonly by: string | null; readonly note: string | null } | null;
  /** All schedules are paused, this one too. */
  readonly standstill: StandstillView | null;
  /** Runs that it started and that are not known to have ended. */
  readonly running: readonly RunId[];
  /** Due times whose runs wait for the one before them. */
  readonly waiting: readonly string[];
}

export interface StandstillView {
  readonly since: string;
  /** `operator`: by a command. `file`: by what a vault's pause file or the environment says. */
  readonly cause: Standstill['cause'];
  readonly by: string | null;
  /** Of a file: which one, and the way to resume. */
  readonly note: string | null;
}

/** What the ledger says, a line an occurrence; or a line for very many. */
export interface LedgerRow {
  readonly dueAt: string;
  /** Of a stretch: its last occurrence. */
  readonly to: string | null;
  readonly fate: Fate;
  readonly rule: Rule;
  readonly lateMs: number | null;
  readonly runId: RunId | null;
  /** The run that was in its way, or was started for it. */
  readonly because: RunId | null;
  readonly decidedAt: string;
  readonly source: string;
  readonly by: string | null;
}

export interface ScheduleDescription extends Omit<ScheduleView, 'running'> {
  readonly next10: readonly { readonly dueAt: string; readonly local: string; readonly notes: readonly string[] }[];
  readonly spec: Omit<ScheduleSpec, 'timing' | 'jobType'> & { readonly timing: WrittenTiming };
  readonly running: readonly {
    readonly runId: RunId;
    readonly dueAt: string;
    readonly state: string | null;
    readonly outcome: string | null;
  }[];
  /** The last occurrence that was decided about in the time that is counted, and its run, as it is now. */
  readonly last: (LedgerRow & { readonly outcome: string | null }) | null;
  /** How many occurrences had which fate; stretches are counted as such, for nobody has counted what is in them. */
  readonly counts: { readonly since: string; readonly stretches: number } & { readonly [fate in Fate]?: number };
  readonly failures: number;
}

export const iso = (at: Instant): string => new Date(at).toISOString();

export function viewOfSchedule(state: ScheduleState, standstill: Standstill | undefined, now: Instant): ScheduleView {
  const { id, spec, status, owner, revision, pause, running, waiting, decidedUntil } = state;
  const isOn = status === 'active' && standstill === undefined;
  const next = isOn ? nextOccurrence(spec.timing, Math.max(now, decidedUntil) as Instant) : undefined;
  return {
    id,
    jobType: spec.jobType,
    status,
    timing: timingText(spec.timing),
    next: next === undefined ? null : iso(next),
    owner,
    revision,
    pause: pause === undefined ? null : { since: iso(pause.since), by: pause.actor?.who ?? null, note: pause.note ?? null },
    standstill: viewOfStandstill(standstill),
    running: running.map(({ runId }) => runId),
    waiting: waiting.map(({ dueAt }: Occurrence) => iso(dueAt)),
  };
}

export const viewOfStandstill = (standstill: Standstill | undefined): StandstillView | null =>
  standstill === undefined
    ? null
    : { since: iso(standstill.since), cause: standstill.cause, by: standstill.actor?.who ?? null, note: standstill.note ?? null };

export function writtenSpec({ jobType: _, timing, ...spec }: ScheduleSpec): ScheduleDescription['spec'] {
  return { ...spec, timing: writtenTiming(timing) };
}

export function ledgerRows({ at, source, data: { entries, stretches, actor } }: ScheduleEvent): LedgerRow[] {
  const told = { decidedAt: iso(at), source, by: actor?.who ?? null };
  return [
    ...stretches.map(({ from, to, fate, rule, because }) => {
      return { dueAt: iso(from), to: iso(to), fate, rule, lateMs: null, runId: null, because: because ?? null, ...told };
    }),
    ...entries.map(({ dueAt, fate, rule, lateMs, runId, because }) => {
      return { dueAt: iso(dueAt), to: null, fate, rule, lateMs, runId: runId ?? null, because: because ?? null, ...told };
    }),
  ];
}
