/** What the next event of a schedule will say became of its occurrences, while that is decided: in their order, each once (invariant 6). */
import { type Instant, instant, type RunId } from '../ids.ts';
import { isExcluded } from './exclusions.ts';
import type { Entry, Fate, Rule, Stretch } from './ledger.ts';
import { occurrencesAfter, previousOccurrence } from './occurrences.ts';
import type { Occurrence, ScheduleState } from './schedule.ts';

/** A time in which all schedules were paused. */
export interface Suspension {
  readonly since: Instant;
  /** Absent: they are. */
  readonly until?: Instant;
}

/** So many occurrences are listed one by one; more are a stretch. */
const MOST_LISTED = 10;

export class LedgerDraft {
  readonly entries: Entry[] = [];
  readonly stretches: Stretch[] = [];
  readonly #before: ScheduleState;
  readonly #now: Instant;
  readonly #suspensions: readonly Suspension[];
  #decidedUntil: Instant;

  constructor(before: ScheduleState, { now, suspensions }: { readonly now: Instant; readonly suspensions: readonly Suspension[] }) {
    this.#before = before;
    this.#now = now;
    this.#suspensions = suspensions;
    this.#decidedUntil = before.decidedUntil;
  }

  /** Every occurrence up to here is decided, this instant included. */
  get decidedUntil(): Instant {
    return this.#decidedUntil;
  }

  /** Everything up to there is entered, or waits. */
  decideUntil(at: Instant): void {
    this.#decidedUntil = at;
  }

  enter({ dueAt, triggered }: Pick<Occurrence, 'dueAt' | 'triggered'>, fate: Fate, rule: Rule, because?: RunId): void {
    if (!triggered) this.entries.push({ dueAt, fate, rule, lateMs: this.#now - dueAt, ...(because && { because }) });
  }

  enterStart({ dueAt, runId, triggered }: Occurrence, rule: Rule): void {
    if (!triggered) this.entries.push({ dueAt, fate: 'started', rule, lateMs: this.#now - dueAt, runId });
  }

  /** Undecided occurrences up to `to` are not started any more: missed, or paused, by when each was due. */
  pass(to: Instant, rule: Rule): void {
    for (const { since, until } of this.#pauses()) {
      if (until < this.#decidedUntil || since > to) continue;
      this.settle(Math.min(since, to + 1) as Instant, 'missed', rule);
      this.settle(Math.min(until, to + 1) as Instant, 'paused', rule === 'changed' || rule === 'deleted' ? rule : 'pause');
    }
    this.settle((to + 1) as Instant, 'missed', rule);
  }

  /** Undecided occurrences before `end`. */
  settle(end: Instant, fate: Stretch['fate'], rule: Rule, because?: RunId): void {
    const { timing } = this.#before.spec;
    if (end - 1 <= this.#decidedUntil) return;
    const listed: Instant[] = [];
    for (const dueAt of occurrencesAfter(timing, this.#decidedUntil, (end - 1) as Instant)) {
      if (listed.push(dueAt) > MOST_LISTED) break;
    }
    const from = listed[0];
    if (from === undefined) return;
    if (listed.length > MOST_LISTED) {
      const to = previousOccurrence(timing, end)!;
      this.stretches.push({ from, to, fate, rule, ...(because && { because }) });
      this.#decidedUntil = to;
      return;
    }
    for (const dueAt of listed) {
      if (isExcluded(timing, dueAt)) this.enter({ dueAt }, 'excluded', 'calendar');
      else this.enter({ dueAt }, fate, rule, because);
      this.#decidedUntil = dueAt;
    }
  }

  #pauses(): { readonly since: Instant; readonly until: Instant }[] {
    const { pause, paused } = this.#before;
    return [...this.#suspensions, ...(paused ? [paused] : []), ...(pause ? [pause] : [])]
      .map(({ since, ...rest }) => ({ since, until: ('until' in rest && rest.until) || instant(this.#now + 1) })) // one that is on covers this instant
      .sort((a, b) => a.since - b.since);
  }
}
