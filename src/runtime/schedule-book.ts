/** The schedules as this process knows them, kept up to date by the log. It may be a moment behind: appends find out (invariant 2). */
import { CorruptEventError } from '../domain/errors.ts';
import { hashOfEvent } from '../domain/hash-chain.ts';
import type { Instant, ScheduleId, Sequence } from '../domain/ids.ts';
import type { ScheduleEffect } from '../domain/schedule/due.ts';
import type { ScheduleState } from '../domain/schedule/schedule.ts';
import { parseScheduleEvent } from '../domain/schedule/schedule-event.ts';
import type { Log, StoredScheduleEvent } from './ports.ts';

/** A schedule, as its last event says. */
export interface KnownSchedule {
  readonly state: ScheduleState;
  readonly sequence: Sequence;
  /** Of that event. */
  readonly hash: string;
  /** What the event asks for; undefined: it is known to be done. */
  readonly undone: Undone | undefined;
}
export interface Undone {
  readonly effects: readonly ScheduleEffect[];
  /** When the event was decided. */
  readonly since: Instant;
}
export interface OwnEvent {
  readonly bytes: Uint8Array;
  readonly state: ScheduleState;
  readonly undone: Undone | undefined;
}

export class ScheduleBook {
  readonly #known = new Map<ScheduleId, KnownSchedule>();
  readonly #own = new Map<ScheduleId, OwnEvent>();
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  get(id: ScheduleId): KnownSchedule | undefined {
    return this.#known.get(id);
  }

  all(): IterableIterator<KnownSchedule> {
    return this.#known.values();
  }

  /** What the event says, if that is news: it is not known, not older than what is known, not of this process, and no stranger's. */
  learn({ id, sequence, bytes }: StoredScheduleEvent): KnownSchedule | undefined {
    if (sequence <= (this.#known.get(id)?.sequence ?? 0)) return undefined;
    const own = this.#own.get(id);
    if (own !== undefined && Buffer.compare(own.bytes, bytes) === 0) {
      this.#keep(id, sequence, own);
      return undefined;
    }
    try {
      const { at, data } = parseScheduleEvent(bytes);
      return this.#keep(id, sequence, { bytes, state: data.state, undone: undoneOf(data.effects, at) });
    } catch (err) {
      if (!(err instanceof CorruptEventError)) throw err;
      this.#log.error({ err, schedule: id, sequence }, 'somebody else wrote to the log of a schedule; it stays as it was');
      return undefined;
    }
  }

  /** An event of this process is on its way to the log and may come back before the answer does. */
  expect(id: ScheduleId, event: OwnEvent): void {
    this.#own.set(id, event);
  }

  /** @param sequence Of the expected event in the log; undefined: it is not stored. */
  settle(id: ScheduleId, event: OwnEvent, sequence: Sequence | undefined): void {
    if (this.#own.get(id) === event) this.#own.delete(id);
    if (sequence !== undefined && sequence > (this.#known.get(id)?.sequence ?? 0)) this.#keep(id, sequence, event);
  }

  /** What the event of that sequence asks for is done. */
  done(id: ScheduleId, sequence: Sequence): void {
    const known = this.#known.get(id);
    if (known?.sequence === sequence) this.#known.set(id, { ...known, undone: undefined });
  }

  #keep(id: ScheduleId, sequence: Sequence, { bytes, state, undone }: OwnEvent): KnownSchedule {
    const known = { state, sequence, hash: hashOfEvent(bytes), undone };
    this.#known.set(id, known);
    return known;
  }
}

export const undoneOf = (effects: readonly ScheduleEffect[], since: Instant): Undone | undefined =>
  effects.length === 0 ? undefined : { effects, since };
