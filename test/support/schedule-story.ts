/** The history of one schedule, as commands and the scheduler would write it: the same decisions, without a log. */
import { type Instant, instant, type RunId, scheduleId } from '../../src/domain/ids.ts';
import type { Actor } from '../../src/domain/run-event.ts';
import { changeSchedule } from '../../src/domain/schedule/change.ts';
import { decideDue, type Verdict } from '../../src/domain/schedule/due.ts';
import type { ScheduleState } from '../../src/domain/schedule/schedule.ts';
import { parseScheduleCommand, type ScheduleCommand } from '../../src/domain/schedule/schedule-command.ts';
import {
  parseScheduleEvent,
  type ScheduleEvent,
  type ScheduleEventType,
  scheduleEventBytes,
} from '../../src/domain/schedule/schedule-event.ts';

export const at = (text: string): Instant => instant(Date.parse(text));

export class ScheduleStory {
  readonly events: ScheduleEvent[] = [];
  readonly #id;
  state: ScheduleState | undefined;

  constructor(id: string, created: string, spec: object, actor?: Actor) {
    this.#id = scheduleId(id);
    this.command(created, { do: 'create', spec, ...(actor && { actor }) });
  }

  /** As anybody may publish it; what is due is decided before. */
  command(now: string, body: object): this {
    this.decide(now);
    const command = parseScheduleCommand(Buffer.from(JSON.stringify(body))) as Exclude<ScheduleCommand, { do: 'backfill' }>;
    const facts = { id: this.#id, now: at(now), ended: new Map(), suspensions: [], timeZone: 'UTC', owner: 'operator' } as const;
    const change = changeSchedule(this.state, command, { ...facts, triggeredRun: `${this.#id}-triggered` as RunId });
    if (change !== undefined) this.#write(now, change.type, change, command.actor);
    return this;
  }

  /** @param ended Runs that have, by then. */
  decide(now: string, ended: readonly string[] = []): this {
    const facts = { now: at(now), ended: new Map(ended.map((id) => [id as RunId, 'succeeded'])), suspensions: [] };
    const verdict = this.state && decideDue(this.state, facts);
    if (verdict !== undefined) {
      this.#write(now, verdict.state.status === 'finished' ? 'almanac.schedule.finished' : 'almanac.schedule.decided', verdict);
    }
    return this;
  }

  #write(now: string, type: ScheduleEventType, { state, entries, stretches, effects }: Verdict, actor?: Actor): void {
    const data = { ...(actor && { actor }), entries, stretches, effects, state: state as never, previous: null };
    const bytes = scheduleEventBytes({ id: `e${this.events.length}`, source: '/almanac/one', type, at: at(now), data });
    this.events.push(parseScheduleEvent(bytes));
    this.state = state;
  }
}
