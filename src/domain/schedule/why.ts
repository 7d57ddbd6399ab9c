/** Why a schedule did, or did not, start a run at some time: found in its history, without the clock or the runs. */
import type { Instant, RunId } from '../ids.ts';
import type { Actor } from '../run-event.ts';
import { firesAt } from './due.ts';
import { isExcluded } from './exclusions.ts';
import type { Fate, Rule } from './ledger.ts';
import { isOccurrence, nextOccurrence, previousOccurrence } from './occurrences.ts';
import type { Occurrence, Pause, ScheduleState } from './schedule.ts';
import type { ScheduleEvent } from './schedule-event.ts';
import type { RecordedStandstill } from './standstill.ts';

/** One event that says what became of an occurrence. A backfill may be a later one about the same. */
export interface DecidedAs {
  readonly fate: Fate;
  readonly rule: Rule;
  /** Of the decision, after the occurrence was due; undefined where a stretch says it for all of its occurrences. */
  readonly lateMs: number | undefined;
  readonly runId?: RunId;
  readonly because?: RunId;
  readonly at: Instant;
  /** The process that decided. */
  readonly source: string;
  readonly actor?: Actor;
  /** Decided together, because there were very many. */
  readonly stretch?: { readonly from: Instant; readonly to: Instant };
}
/** An event that made the schedule what it was. */
export interface MadeBy {
  readonly type: string;
  readonly at: Instant;
  readonly actor?: Actor;
}
/** Nothing is recorded, because … */
export type Open =
  | { readonly kind: 'future' }
  /** Its run is started when the one before it has ended. */
  | { readonly kind: 'waiting'; readonly behind: RunId | undefined }
  | { readonly kind: 'paused'; readonly pause: Pause }
  /** All schedules are. */
  | { readonly kind: 'standstill'; readonly standstill: RecordedStandstill }
  | { readonly kind: 'dripping'; readonly until: Instant }
  | { readonly kind: 'jitter'; readonly until: Instant }
  | { readonly kind: 'over'; readonly status: 'finished' | 'deleted'; readonly by: MadeBy }
  /** It is time, and nobody has done it. */
  | { readonly kind: 'late'; readonly lateMs: number }
  /** It was decided about, and no event says how: somebody altered the history, or read a part of it. */
  | { readonly kind: 'unrecorded' };

/** A pause of the schedule, or of all, in which the occurrence was due. Without an end: it is on. */
export interface PauseThen extends Pause {
  readonly of: 'schedule' | 'all';
  readonly until?: Instant;
}

export interface Why {
  readonly at: Instant;
  /** Undefined: there was no such schedule yet. */
  readonly inForce?: { readonly state: ScheduleState; readonly madeBy: MadeBy };
  readonly firstKnown: MadeBy;
  readonly isOccurrence: boolean;
  /** Of the spec that was in force, where `at` is no occurrence of it. */
  readonly nearest?: { readonly before: Instant | undefined; readonly after: Instant | undefined };
  /** A run that somebody asked for at that time. */
  readonly triggered?: { readonly occurrence: Occurrence; readonly by: MadeBy };
  readonly decisions: readonly DecidedAs[];
  readonly pauses: readonly PauseThen[];
  readonly open?: Open;
}

/** Hears the events of a schedule, oldest first, and keeps what has to do with one instant. */
export class Inquiry {
  readonly #at: Instant;
  /** What is written without milliseconds means the whole second. */
  readonly #end: number;
  readonly #decisions: DecidedAs[] = [];
  readonly #pauses: PauseThen[] = [];
  #first: MadeBy | undefined;
  #madeBy: MadeBy | undefined;
  #inForce: Why['inForce'];
  #triggered: Why['triggered'];
  #last: ScheduleEvent | undefined;
  #finished: MadeBy | undefined;
  #named: Instant | undefined;

  constructor(at: Instant) {
    this.#at = at;
    this.#end = at + (at % 1_000 === 0 ? 1_000 : 1);
  }

  hear(event: ScheduleEvent): void {
    const { type, at, data } = event;
    const { state, actor } = data;
    const made: MadeBy = { type: type.replace('almanac.schedule.', ''), at, ...(actor && { actor }) };
    this.#first ??= made;
    if (this.#madeBy === undefined || ['created', 'updated', 'deleted'].includes(made.type)) this.#madeBy = made;
    if (made.type === 'finished') this.#finished = made;
    this.#hearPause(state, at);
    this.#hearDecisions(event);
    if (made.type === 'triggered') this.#hearTrigger(state, made);
    // An occurrence is decided under the spec that stood when everything before it was decided.
    if (state.decidedUntil < this.#at) this.#inForce = { state, madeBy: this.#madeBy };
    this.#last = event;
  }

  /**
   * @param standstills Of all schedules, oldest first.
   * @throws {TypeError} No event was heard.
   */
  answer(now: Instant, standstills: readonly RecordedStandstill[]): Why {
    if (this.#last === undefined || this.#first === undefined) throw new TypeError('there is no event to answer from');
    const { state } = this.#last.data;
    const at = this.#named ?? this.#occurrenceMeant() ?? this.#at;
    const inForce = this.#inForce;
    const named = this.#decisions.length > 0 || (inForce !== undefined && isOccurrence(inForce.state.spec.timing, at));
    const open = named && this.#decisions.length === 0 ? this.#openness(state, at, now, standstills.at(-1)) : undefined;
    const timing = inForce?.state.spec.timing;
    return {
      at,
      ...(inForce && { inForce }),
      firstKnown: this.#first,
      isOccurrence: named,
      ...(!named && timing && { nearest: { before: previousOccurrence(timing, at), after: nextOccurrence(timing, at) } }),
      ...(this.#triggered && { triggered: this.#triggered }),
      decisions: this.#decisions,
      pauses: named ? this.#pausesAt(at, standstills) : [],
      ...(open && { open }),
    };
  }

  #hearPause({ pause }: ScheduleState, at: Instant): void {
    const last = this.#pauses.at(-1);
    if (last !== undefined && last.until === undefined) {
      this.#pauses.pop();
      if (last.since !== pause?.since) this.#pauses.push({ ...last, until: at });
    }
    if (pause !== undefined) this.#pauses.push({ of: 'schedule', ...pause });
  }

  #pausesAt(at: Instant, standstills: readonly RecordedStandstill[]): PauseThen[] {
    const all = standstills.map(({ cause: _, ...standstill }): PauseThen => ({ of: 'all', ...standstill }));
    return [...this.#pauses, ...all].filter(({ since, until }) => since <= at && (until === undefined || at < until));
  }

  #hearDecisions({ at, source, data: { entries, stretches, actor } }: ScheduleEvent): void {
    const told = { at, source, ...(actor && { actor }) };
    const entry = entries.find(({ dueAt }) => this.#means(dueAt));
    if (entry !== undefined) {
      const { dueAt, ...rest } = entry;
      this.#named = dueAt;
      this.#decisions.push({ ...rest, ...told } as DecidedAs);
      return;
    }
    const timing = this.#inForce?.state.spec.timing;
    const meant = timing && this.#occurrenceMeant();
    if (timing === undefined || meant === undefined) return;
    for (const { from, to, fate, rule, because } of stretches) {
      if (meant < from || meant > to) continue;
      const excluded = isExcluded(timing, meant);
      const decided = excluded ? ({ fate: 'excluded', rule: 'calendar' } as const) : { fate, rule, ...(because && { because }) };
      this.#decisions.push({ ...decided, ...told, lateMs: undefined, stretch: { from, to } });
      this.#named = meant;
    }
  }

  #hearTrigger({ running, waiting }: ScheduleState, by: MadeBy): void {
    const occurrence = [...running, ...waiting].find(({ dueAt, triggered }) => triggered && this.#means(dueAt));
    if (occurrence !== undefined && this.#triggered === undefined) this.#triggered = { occurrence, by };
  }

  #openness(state: ScheduleState, at: Instant, now: Instant, standstill: RecordedStandstill | undefined): Open {
    const inForce = this.#inForce;
    if (inForce?.state.status === 'deleted') return { kind: 'over', status: 'deleted', by: inForce.madeBy };
    if (state.waiting.some(({ dueAt }) => dueAt === at)) return { kind: 'waiting', behind: state.running.at(-1)?.runId };
    if (state.decidedUntil >= at) return { kind: 'unrecorded' };
    if (state.status === 'finished') return { kind: 'over', status: 'finished', by: this.#finished ?? this.#madeBy! };
    if (state.status === 'paused') return { kind: 'paused', pause: state.pause! };
    if (standstill !== undefined && standstill.until === undefined) return { kind: 'standstill', standstill };
    if (at > now) return { kind: 'future' };
    const fires = firesAt(state, at);
    if (fires > now) return { kind: 'jitter', until: fires };
    if (state.notBefore !== undefined && state.notBefore > now) return { kind: 'dripping', until: state.notBefore };
    return { kind: 'late', lateMs: now - fires };
  }

  #occurrenceMeant(): Instant | undefined {
    const timing = this.#inForce?.state.spec.timing;
    const next = timing && nextOccurrence(timing, (this.#at - 1) as Instant);
    return next !== undefined && this.#means(next) ? next : undefined;
  }

  #means(dueAt: Instant): boolean {
    return dueAt >= this.#at && dueAt < this.#end;
  }
}
