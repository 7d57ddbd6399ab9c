/** The history of one schedule, told decision by decision: as the log would hold it, without a log. */
import { type Instant, instant, scheduleId } from '../../src/domain/ids.ts';
import type { Actor } from '../../src/domain/run-event.ts';
import { Rehearsal } from '../../src/domain/schedule/rehearsal.ts';
import type { ScheduleState } from '../../src/domain/schedule/schedule.ts';
import { parseScheduleCommand, type ScheduleCommand } from '../../src/domain/schedule/schedule-command.ts';
import type { ScheduleEvent } from '../../src/domain/schedule/schedule-event.ts';
import { RecordedLedger } from '../../src/testing/recorded-ledger.ts';

export const at = (text: string): Instant => instant(Date.parse(text));

interface Told {
  readonly by?: Actor | undefined;
  /** Of every run. @default it never ends */
  readonly lastsMs?: number | undefined;
}

export class ScheduleStory {
  readonly #ledger = new RecordedLedger();
  readonly #rehearsal;

  constructor(id: string, created: string, spec: object, { by, lastsMs = Number.POSITIVE_INFINITY }: Told = {}) {
    this.#rehearsal = new Rehearsal({
      id: scheduleId(id),
      timeZone: 'UTC',
      store: (decision) => this.#ledger.store(decision),
      runOf: (_, startsAt) => ({ endsAt: (startsAt + lastsMs) as Instant, outcome: 'succeeded' }),
    });
    this.command(created, { do: 'create', spec, ...(by && { actor: by }) });
  }

  get events(): readonly ScheduleEvent[] {
    return this.#ledger.events;
  }
  get state(): ScheduleState | undefined {
    return this.#rehearsal.state;
  }

  /** As anybody may publish it; what is due is decided before. */
  command(now: string, body: object): this {
    this.#rehearsal.change(
      at(now),
      parseScheduleCommand(Buffer.from(JSON.stringify(body))) as Exclude<ScheduleCommand, { do: 'backfill' }>,
    );
    return this;
  }

  decide(now: string): this {
    this.#rehearsal.decide(at(now));
    return this;
  }
}
