/** What a person may have started later: the occurrences of some time that never ran. The ledger's watermark stays where it is. */
import { InvalidCommandError } from '../errors.ts';
import type { Instant, RunId, ScheduleId } from '../ids.ts';
import type { Lane } from '../job-type.ts';
import { occurrenceOf } from './due.ts';
import { isExcluded } from './exclusions.ts';
import type { Entry } from './ledger.ts';
import { occurrencesAfter } from './occurrences.ts';
import type { ScheduleSpec, ScheduleState } from './schedule.ts';
import type { ScheduleEvent } from './schedule-event.ts';

/** Beyond this an event would be too large, and a day of runs is a plan nobody has read. */
export const MOST_BACKFILLED = 1_000;

/**
 * - `fill`: it never ran. - `ran`: it has a run, however that ended: try that again instead. - `waiting`: for the run before it.
 * - `excluded`: on an excluded day. - `undecided`: its time has not come, or what becomes of it is not known yet.
 */
export type SlotState = 'fill' | 'ran' | 'waiting' | 'excluded' | 'undecided';
export interface Slot {
  readonly dueAt: Instant;
  readonly runId: RunId;
  /** IANA name, of the schedule at that time. */
  readonly timeZone: string;
  /** Of the schedule, at that time; before there was one, the first. */
  readonly revision: number;
  readonly state: SlotState;
  /** What was decided, if it was decided for this one alone. */
  readonly entry?: Entry;
}

interface Revision {
  readonly number: number;
  readonly spec: ScheduleSpec;
  readonly from: Instant;
}

/** Hears the history of a schedule, oldest event first, and keeps what concerns a time. */
export class BackfillPlan {
  readonly #id: ScheduleId;
  readonly #from: Instant;
  readonly #to: Instant;
  readonly #revisions: Revision[] = [];
  readonly #entries = new Map<Instant, Entry>();
  #last: ScheduleState | undefined;

  /** @throws {InvalidCommandError} The end is before the beginning. */
  constructor(id: ScheduleId, from: Instant, to: Instant) {
    if (to < from) throw new InvalidCommandError('COMMAND_INVALID', 'the backfill ends before it begins');
    this.#id = id;
    this.#from = from;
    this.#to = to;
  }

  hear({ at, data: { entries, state } }: ScheduleEvent): void {
    this.#last = state;
    if (this.#revisions.at(-1)?.number !== state.revision) this.#revisions.push({ number: state.revision, spec: state.spec, from: at });
    for (const entry of entries) if (entry.dueAt >= this.#from && entry.dueAt <= this.#to) this.#entries.set(entry.dueAt, entry);
  }

  /** @throws {InvalidCommandError} There is no such schedule, or there are more than {@link MOST_BACKFILLED} occurrences. */
  slots(): Slot[] {
    const last = this.#last;
    if (last === undefined || last.status === 'deleted')
      throw new InvalidCommandError('SCHEDULE_UNKNOWN', `there is no schedule ${this.#id}`);
    const slots: Slot[] = [];
    for (const [index, { number, spec, from }] of this.#revisions.entries()) {
      // What is due at the instant of a change was decided by what was there before.
      const since = index === 0 ? this.#from - 1 : Math.max(this.#from - 1, from);
      const until = Math.min(this.#to, this.#revisions[index + 1]?.from ?? this.#to);
      for (const dueAt of occurrencesAfter(spec.timing, since as Instant, until as Instant)) {
        if (slots.length === MOST_BACKFILLED) throw tooMany();
        slots.push(this.#slot({ id: this.#id, spec }, dueAt, number, last));
      }
    }
    return slots;
  }

  #slot(schedule: Pick<ScheduleState, 'id' | 'spec'>, dueAt: Instant, revision: number, last: ScheduleState): Slot {
    const entry = this.#entries.get(dueAt);
    const { runId } = occurrenceOf(schedule, dueAt);
    const { timing } = schedule.spec;
    const state = this.#stateOf(dueAt, entry, last, isExcluded(timing, dueAt));
    return { dueAt, runId, timeZone: timing.timeZone, revision, state, ...(entry && { entry }) };
  }

  #stateOf(dueAt: Instant, entry: Entry | undefined, { waiting, decidedUntil }: ScheduleState, excluded: boolean): SlotState {
    if (entry?.fate === 'started' || entry?.fate === 'backfilled') return 'ran';
    if (waiting.some((other) => other.dueAt === dueAt)) return 'waiting';
    if (dueAt > decidedUntil) return 'undecided';
    return excluded ? 'excluded' : 'fill';
  }
}

const tooMany = () =>
  new InvalidCommandError('COMMAND_INVALID', `there are more than ${MOST_BACKFILLED} occurrences in that time: choose a shorter one`);

/** For what is in no hurry, where the job type has such a lane; undefined: that of the schedule. */
export const backfillLane = (lanes: { has(lane: Lane): boolean }): Lane | undefined => (lanes.has('low') ? 'low' : undefined);

/** Of a backfill that is carried out. */
export const backfilled = ({ dueAt, runId }: Slot, now: Instant): Entry => ({
  dueAt,
  fate: 'backfilled',
  rule: 'operator',
  lateMs: now - dueAt,
  runId,
});
