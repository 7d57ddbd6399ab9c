/**
 * One schedule in a made-up time: the decisions of production and the history they would write, without a log and without runs. How long a
 * run lasts, and how it ends, is said by whoever rehearses. Time is an argument and must not go back.
 */
import { hashOfEvent } from '../hash-chain.ts';
import type { Instant, RunId, ScheduleId } from '../ids.ts';
import type { Actor } from '../run-event.ts';
import { type Change, changeSchedule } from './change.ts';
import { awaitsEnd, type DueFacts, decideDue, nextLook, type Suspension, type Verdict } from './due.ts';
import type { Occurrence, ScheduleState } from './schedule.ts';
import type { ScheduleCommand } from './schedule-command.ts';
import { parseScheduleEvent, type ScheduleEvent, type ScheduleEventType, scheduleEventBytes } from './schedule-event.ts';

export interface RehearsedRun extends Occurrence {
  readonly startsAt: Instant;
  readonly endsAt: Instant;
  /** Of a run that is cancelled before `endsAt`, the schedule makes it `cancelled`. */
  readonly outcome: string;
}

export interface RehearsalOptions {
  readonly id: ScheduleId;
  /** IANA name, for a schedule that names none. */
  readonly timeZone: string;
  readonly runOf: (occurrence: Occurrence, startsAt: Instant) => Pick<RehearsedRun, 'endsAt' | 'outcome'>;
}

export class Rehearsal {
  readonly events: ScheduleEvent[] = [];
  readonly #options: RehearsalOptions;
  readonly #runs = new Map<RunId, RehearsedRun>();
  readonly #knownToHaveEnded = new Set<RunId>();
  #state: ScheduleState | undefined;
  #previous: string | null = null;

  constructor(options: RehearsalOptions) {
    this.#options = options;
  }

  get state(): ScheduleState | undefined {
    return this.#state;
  }

  /** In the order they started. */
  get runs(): Iterable<RehearsedRun> {
    return this.#runs.values();
  }

  /** When to decide again; sooner than the next occurrence where somebody waits for the end of a run. It may have passed. */
  get nextMoment(): Instant | undefined {
    if (this.#state === undefined) return undefined;
    const look = nextLook(this.#state);
    if (!awaitsEnd(this.#state)) return look;
    const ends = this.#state.running.flatMap(({ runId }) => (this.#knownToHaveEnded.has(runId) ? [] : [this.#runs.get(runId)!.endsAt]));
    return ends.length === 0 ? look : (Math.min(look ?? Number.POSITIVE_INFINITY, ...ends) as Instant);
  }

  /** What is due. */
  decide(now: Instant, suspensions: readonly Suspension[] = []): void {
    const verdict = this.#state && decideDue(this.#state, this.#facts(now, suspensions));
    if (verdict !== undefined) this.#write(now, typeOf(verdict.state.status), verdict);
  }

  /** What is due is decided first. @throws as {@link changeSchedule} */
  change(
    now: Instant,
    command: Parameters<typeof changeSchedule>[1] & Pick<ScheduleCommand, 'actor'>,
    suspensions: readonly Suspension[] = [],
  ) {
    this.decide(now, suspensions);
    const { id, timeZone } = this.#options;
    const triggeredRun = `${id}-${this.events.length}` as RunId;
    const facts = { ...this.#facts(now, suspensions), id, timeZone, owner: 'operator', triggeredRun } as const;
    const change: Change | undefined = changeSchedule(this.#state, command, facts);
    if (change !== undefined) this.#write(now, change.type, change, command.actor);
  }

  #facts(now: Instant, suspensions: readonly Suspension[]): DueFacts {
    const ended = new Map<RunId, string>();
    for (const { runId } of this.#state?.running ?? []) {
      const { endsAt, outcome } = this.#runs.get(runId)!;
      if (endsAt > now) continue;
      ended.set(runId, outcome);
      this.#knownToHaveEnded.add(runId);
    }
    return { now, ended, suspensions };
  }

  #write(now: Instant, type: ScheduleEventType, { state, entries, stretches, effects }: Verdict, actor?: Actor): void {
    const data = {
      ...(actor && { actor }),
      entries: [...entries],
      stretches: [...stretches],
      state: state as ScheduleEvent['data']['state'],
      previous: this.#previous,
    };
    const bytes = scheduleEventBytes({ id: `event-${this.events.length + 1}`, source: '/almanac/rehearsal', type, at: now, data });
    const event = parseScheduleEvent(bytes);
    this.events.push(event);
    this.#state = event.data.state; // as a replica that starts now reads it
    this.#previous = hashOfEvent(bytes);
    for (const effect of effects) {
      if (effect.type === 'cancel') this.#cancel(effect.runId, now);
      else this.#start(effect.occurrence, now);
    }
  }

  /** Meets nothing when there is such a run: its id is the same (invariant 5). */
  #start(occurrence: Occurrence, startsAt: Instant): void {
    const { runId } = occurrence;
    if (!this.#runs.has(runId)) this.#runs.set(runId, { ...occurrence, startsAt, ...this.#options.runOf(occurrence, startsAt) });
  }

  #cancel(runId: RunId, now: Instant): void {
    const run = this.#runs.get(runId)!;
    if (run.endsAt > now) this.#runs.set(runId, { ...run, endsAt: now, outcome: 'cancelled' });
  }
}

function typeOf(status: ScheduleState['status']): ScheduleEventType {
  if (status === 'paused') return 'almanac.schedule.paused';
  return status === 'finished' ? 'almanac.schedule.finished' : 'almanac.schedule.decided';
}
