/** A backfill before it happens, as people and programs see it: `almanac schedule backfill --plan -o json`. */
import type { JobTypeId, RunId, ScheduleId } from '../domain/ids.ts';
import type { Lane } from '../domain/job-type.ts';
import { backfillLane, type Slot, type SlotState } from '../domain/schedule/backfill.ts';
import { localText } from '../domain/schedule/clock-changes.ts';
import type { Fate, Rule } from '../domain/schedule/ledger.ts';
import type { ScheduleState } from '../domain/schedule/schedule.ts';
import { iso } from './schedule-view.ts';

export interface PlannedBackfill {
  readonly schedule: ScheduleId;
  /** What is started is what the schedule says now, whatever it said when it was due. */
  readonly jobType: JobTypeId;
  readonly revision: number;
  readonly lane: Lane;
  /** How many slots have which state. */
  readonly counts: { readonly [state in SlotState]?: number };
  readonly slots: readonly BackfillRow[];
}
export interface BackfillRow {
  readonly dueAt: string;
  /** By the clocks of the zone that the schedule had then. */
  readonly local: string;
  readonly runId: RunId;
  /** Of the schedule at that time: its pattern says that it was due. */
  readonly revision: number;
  readonly state: SlotState;
  /** What was decided about it; null: nothing yet, or it was decided together with very many others. */
  readonly fate: Fate | null;
  readonly rule: Rule | null;
}

export function viewOfBackfill({ id, revision, spec }: ScheduleState, slots: readonly Slot[], lanes: ReadonlySet<Lane>): PlannedBackfill {
  const counts: { [state in SlotState]?: number } = {};
  for (const { state } of slots) counts[state] = (counts[state] ?? 0) + 1;
  return { schedule: id, jobType: spec.jobType, revision, lane: backfillLane(lanes) ?? spec.lane, counts, slots: slots.map(rowOf) };
}

const rowOf = ({ dueAt, timeZone, runId, revision, state, entry }: Slot): BackfillRow => ({
  dueAt: iso(dueAt),
  local: localText(timeZone, dueAt),
  runId,
  revision,
  state,
  fate: entry?.fate ?? null,
  rule: entry?.rule ?? null,
});
