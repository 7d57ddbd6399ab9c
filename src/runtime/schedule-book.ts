/** The schedules as this process knows them, kept up to date by the log. It may be a moment behind: appends find out (invariant 2). */
import { CorruptEventError } from '../domain/errors.ts';
import { hashOfEvent } from '../domain/hash-chain.ts';
import type { ScheduleId, Sequence } from '../domain/ids.ts';
import type { ScheduleState } from '../domain/schedule/schedule.ts';
import { parseScheduleEvent, type ScheduleEvent } from '../domain/schedule/schedule-event.ts';
import type { Log, StoredScheduleEvent } from './ports.ts';

/** A schedule, as its last event says. */
export interface KnownSchedule {
  readonly state: ScheduleState;
  readonly sequence: Sequence;
  /** Of that event. */
  readonly hash: string;
}

export class ScheduleBook {
  readonly #known = new Map<ScheduleId, KnownSchedule>();
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  get(id: ScheduleId): KnownSchedule | undefined {
    return this.#known.get(id);
  }

  all(): Iterable<KnownSchedule> {
    return this.#known.values();
  }

  /** The event, if it says something new; undefined: it is known, older than what is known, or not ours. */
  learn({ id, sequence, bytes }: StoredScheduleEvent): ScheduleEvent | undefined {
    if (sequence <= (this.#known.get(id)?.sequence ?? 0)) return undefined;
    let event: ScheduleEvent;
    try {
      event = parseScheduleEvent(bytes);
    } catch (err) {
      if (!(err instanceof CorruptEventError)) throw err;
      this.#log.error({ err, schedule: id, sequence }, 'somebody else wrote to the log of a schedule; it stays as it was');
      return undefined;
    }
    const { state } = event.data;
    // What is deleted is kept as a stub by its log alone: created again, its revisions go on.
    this.#known.set(id, { state, sequence, hash: hashOfEvent(bytes) });
    return event;
  }
}
