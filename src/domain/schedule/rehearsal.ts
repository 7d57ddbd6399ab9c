/**
 * One schedule in a made-up time, by the decisions of production. There are no runs: how long one lasts, and how it ends, is said by whoever
 * rehearses. Time is an argument and must not go back.
 */
import type { Instant, RunId, ScheduleId } from '../ids.ts';
import type { Actor } from '../run-event.ts';
import { changeSchedule } from './change.ts';
import { awaitsEnd, type DueFacts, decideDue, nextLook, type Suspension, type Verdict } from './due.ts';
import type { Occurrence, ScheduleState } from './schedule.ts';
import type { ScheduleCommand } from './schedule-command.ts';
import { dueEventType, type ScheduleEventType } from './schedule-event.ts';

export interface RehearsedRun extends Occurrence {
  readonly startsAt: Instant;
  /** Sooner than it was said when a later occurrence cancels it; then it is `cancelled`. */
  readonly endsAt: Instant;
  readonly outcome: string;
}
export interface RehearsedDecision extends Verdict {
  readonly type: ScheduleEventType;
  readonly at: Instant;
  readonly actor?: Actor | undefined;
}

export interface RehearsalOptions {
  readonly id: ScheduleId;
  /** IANA name, for a schedule that names none. */
  readonly timeZone: string;
  /** In the order they start. */
  readonly runOf: (occurrence: Occurrence, startsAt: Instant) => Pick<RehearsedRun, 'endsAt' | 'outcome'>;
  /** Told of every decision; to the state of the schedule, as it is read back. @default as it was decided */
  readonly store?: (decision: RehearsedDecision) => ScheduleState;
  /** Without runs that are on. @default it has not been created */
  readonly state?: ScheduleState;
}

export class Rehearsal {
  readonly #options: RehearsalOptions;
  readonly #runs = new Map<RunId, RehearsedRun>();
  readonly #knownToHaveEnded = new Set<RunId>();
  #state: ScheduleState | undefined;

  constructor(options: RehearsalOptions) {
    this.#options = options;
    this.#state = options.state;
  }

  /** Undefined: it has not been created. */
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
    const on = this.#state.running.filter(({ runId }) => !this.#knownToHaveEnded.has(runId));
    const end = Math.min(look ?? Number.POSITIVE_INFINITY, ...on.map(({ runId }) => this.#runs.get(runId)!.endsAt));
    return Number.isFinite(end) ? (end as Instant) : undefined;
  }

  /** A run that the schedule knows of has not ended. */
  hasRunning(now: Instant): boolean {
    return this.#state?.running.some(({ runId }) => this.#runs.get(runId)!.endsAt > now) ?? false;
  }

  /** What is due. Undefined: nothing. */
  decide(now: Instant, suspensions: readonly Suspension[] = []): Verdict | undefined {
    const verdict = this.#state && decideDue(this.#state, this.#facts(now, suspensions));
    if (verdict !== undefined) this.#carryOut({ type: dueEventType(verdict.state), at: now, ...verdict });
    return verdict;
  }

  /** What is due is decided first. @throws as {@link changeSchedule} */
  change(now: Instant, command: Exclude<ScheduleCommand, { do: 'backfill' }>, suspensions: readonly Suspension[] = []): void {
    this.decide(now, suspensions);
    const { id, timeZone } = this.#options;
    const triggeredRun = `${id}-${this.#runs.size + 1}` as RunId;
    const facts = { ...this.#facts(now, suspensions), id, timeZone, owner: 'operator', triggeredRun } as const;
    const change = changeSchedule(this.#state, command, facts);
    if (change !== undefined) this.#carryOut({ at: now, actor: command.actor, ...change });
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

  #carryOut(decision: RehearsedDecision): void {
    this.#state = this.#options.store?.(decision) ?? decision.state;
    for (const effect of decision.effects) {
      if (effect.type === 'cancel') this.#cancel(effect.runId, decision.at);
      else this.#start(effect.occurrence, decision.at);
    }
  }

  /** A second run of that id is none (invariant 5). */
  #start(occurrence: Occurrence, startsAt: Instant): void {
    const { runId } = occurrence;
    if (!this.#runs.has(runId)) this.#runs.set(runId, { ...occurrence, startsAt, ...this.#options.runOf(occurrence, startsAt) });
  }

  #cancel(runId: RunId, now: Instant): void {
    const run = this.#runs.get(runId)!;
    if (run.endsAt > now) this.#runs.set(runId, { ...run, endsAt: now, outcome: 'cancelled' });
  }
}
