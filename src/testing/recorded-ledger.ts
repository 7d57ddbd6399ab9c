/** The events of one schedule as the log would hold them. */
import { hashOfEvent } from '../domain/hash-chain.ts';
import type { RehearsedDecision } from '../domain/schedule/rehearsal.ts';
import type { ScheduleState } from '../domain/schedule/schedule.ts';
import { parseScheduleEvent, type ScheduleEvent, scheduleEventBytes } from '../domain/schedule/schedule-event.ts';

export class RecordedLedger {
  readonly events: ScheduleEvent[] = [];
  #previous: string | null = null;

  /** To the state as a replica reads it that starts now. */
  store({ type, at, actor, state, entries, stretches, effects }: RehearsedDecision): ScheduleState {
    const stored = state as ScheduleEvent['data']['state'];
    const data = { ...(actor && { actor }), entries, stretches, effects, state: stored, previous: this.#previous };
    const bytes = scheduleEventBytes({ id: `event-${this.events.length + 1}`, source: '/almanac/test', type, at, data });
    const event = parseScheduleEvent(bytes);
    this.events.push(event);
    this.#previous = hashOfEvent(bytes);
    return event.data.state;
  }
}
