/**
 * What becomes of the occurrences that are due: one function for every reason why they were not decided sooner. Pure, so that every
 * replica decides the same; whose event is stored first has decided (invariants 2 and 5).
 */
import { type Instant, instant, type RunId } from '../ids.ts';
import { isExcluded } from './exclusions.ts';
import type { Entry, Stretch } from './ledger.ts';
import { LedgerDraft, type Suspension } from './ledger-draft.ts';
import { nextOccurrence, occurrencesAfter, occurrencesBefore } from './occurrences.ts';
import { firesAt, type Occurrence, type Overlap, occurrenceOf, type ScheduleState } from './schedule.ts';
import { ON_TIME_MS, type ScheduleEffect, Turns } from './turns.ts';

export type { Suspension } from './ledger-draft.ts';
export { firesAt, occurrenceOf } from './schedule.ts';
export { MOST_WAITING, type ScheduleEffect, watchesRuns } from './turns.ts';

/** What the world says. */
export interface DueFacts {
  readonly now: Instant;
  /** The outcome of each of its `running` runs that has ended. Not needed of a schedule that does not watch its runs. */
  readonly ended: ReadonlyMap<RunId, string>;
  /** When all schedules were paused, oldest first. Without an end: they are. */
  readonly suspensions: readonly Suspension[];
}

/** What an event will say, and what must be done once it is stored (invariant 3). */
export interface Verdict {
  readonly state: ScheduleState;
  readonly entries: readonly Entry[];
  readonly stretches: readonly Stretch[];
  readonly effects: readonly ScheduleEffect[];
}

/** So many occurrences on excluded days are looked at before the rest of a gap is given up. */
const MOST_LOOKED_AT = 1_000;

/** Undefined: there is nothing to decide. */
export function decideDue(before: ScheduleState, facts: DueFacts): Verdict | undefined {
  const last = facts.suspensions.at(-1);
  if (before.status !== 'active' || (last !== undefined && last.until === undefined)) return undefined;
  const draft = new Draft(before, facts);
  draft.turns.forgetEnded(facts.ended);
  if (draft.turns.hasFailedTooOften) return draft.pause();
  draft.turns.startWaiting();
  draft.takeDue();
  return draft.verdict();
}

/** Ends what is undecided, because the schedule becomes another one, or none. */
export function decideRest(before: ScheduleState, facts: DueFacts, rule: 'changed' | 'deleted'): Verdict {
  const draft = new Draft(before, facts);
  draft.giveUp(rule);
  return draft.verdict() ?? { state: before, entries: [], stretches: [], effects: [] };
}

/** One run now, because somebody asks for it. Undefined: the one before it has not ended, and the overlap policy is to skip. */
export function decideTriggered(before: ScheduleState, facts: DueFacts, occurrence: Occurrence, overlap: Overlap): Verdict | undefined {
  const draft = new Draft(before, facts);
  draft.turns.forgetEnded(facts.ended);
  draft.turns.begin(occurrence, overlap);
  return draft.verdict();
}

/** When to decide again, if nothing else happens; undefined: only when a run has ended, or the schedule has changed. */
export function nextLook(state: ScheduleState): Instant | undefined {
  if (state.status !== 'active') return undefined;
  const dueAt = nextOccurrence(state.spec.timing, state.decidedUntil);
  return dueAt === undefined ? undefined : (Math.max(firesAt(state, dueAt), state.notBefore ?? 0) as Instant);
}

/** Whether the end of a run that is on lets something happen before the next occurrence. */
export const awaitsEnd = ({ status, waiting, running, spec }: ScheduleState): boolean =>
  status === 'active' && running.length > 0 && (waiting.length > 0 || spec.pauseAfterFailures > 0);

/** The decision while it is made. */
class Draft {
  readonly turns: Turns;
  readonly #before: ScheduleState;
  readonly #facts: DueFacts;
  readonly #ledger: LedgerDraft;
  #notBefore: Instant | undefined;

  constructor(before: ScheduleState, facts: DueFacts) {
    this.#before = before;
    this.#facts = facts;
    this.#ledger = new LedgerDraft(before, facts);
    this.turns = new Turns(before, facts.now, this.#ledger);
    this.#notBefore = before.notBefore;
  }

  pause(): Verdict {
    const note = `${this.turns.forgiveFailures()} runs in a row have ended badly`;
    return this.#verdict({ status: 'paused', pause: { since: this.#facts.now, note } });
  }

  takeDue(): void {
    const { now } = this.#facts;
    const { timing, catchUp } = this.#before.spec;
    const until = this.#ripeUntil();
    if (until <= this.#ledger.decidedUntil || this.#takeOnly(until)) return;
    const oldestMs = now - (catchUp.policy === 'none' ? ON_TIME_MS : catchUp.windowMs);
    const isWanted = Math.max(this.#ledger.decidedUntil, oldestMs - 1) as Instant;
    const most = catchUp.policy === 'latest' ? 1 : catchUp.cap;
    // Newest first, for of a long gap only the newest can still be wanted.
    const wanted: Instant[] = [];
    let looked = 0;
    let oldest: Instant | undefined;
    for (const dueAt of occurrencesBefore(timing, until, isWanted)) {
      if (wanted.length === most || ++looked > MOST_LOOKED_AT) break;
      if (!isExcluded(timing, dueAt)) wanted.push(dueAt);
      oldest = dueAt;
    }
    const first = oldest ?? instant(until + 1);
    this.#ledger.pass(isWanted, 'window');
    if (catchUp.policy === 'latest' && wanted.length === 1) {
      this.#ledger.settle(first, 'coalesced', 'coalesce', occurrenceOf(this.#before, wanted[0]!).runId);
    } else this.#ledger.pass((first - 1) as Instant, 'cap');
    this.#takeAll(first, until, wanted.length > 1);
  }

  /** What nearly always happens: one is due, and on time. False: it is something else. */
  #takeOnly(until: Instant): boolean {
    const { timing } = this.#before.spec;
    const only = nextOccurrence(timing, this.#ledger.decidedUntil);
    if (only === undefined || only > until || this.#facts.now - firesAt(this.#before, only) > ON_TIME_MS) return false;
    const next = nextOccurrence(timing, only);
    if ((next !== undefined && next <= until) || isExcluded(timing, only)) return false;
    this.turns.begin(occurrenceOf(this.#before, only));
    this.#ledger.decideUntil(only);
    this.#notBefore = undefined;
    return true;
  }

  /** What is undecided up to now, and what waits, comes to nothing. */
  giveUp(rule: 'changed' | 'deleted'): void {
    const { now } = this.#facts;
    this.turns.dropWaiting(rule);
    this.#ledger.pass(now, rule);
    this.#ledger.decideUntil(Math.max(this.#ledger.decidedUntil, now) as Instant);
    this.#notBefore = undefined;
  }

  verdict(): Verdict | undefined {
    const { spec, status, waiting, decidedUntil } = this.#before;
    const { entries, stretches } = this.#ledger;
    const left = this.turns.state.waiting;
    const isOver = status === 'active' && left.length === 0 && nextOccurrence(spec.timing, this.#ledger.decidedUntil) === undefined;
    const changed = entries.length + stretches.length + this.turns.effects.length > 0 || left !== waiting;
    if (!changed && !isOver && this.#ledger.decidedUntil === decidedUntil) return undefined;
    return this.#verdict(isOver ? { status: 'finished' } : {});
  }

  /** Occurrences from `first` to `until`, oldest first, as far as they may begin now. */
  #takeAll(first: Instant, until: Instant, several: boolean): void {
    const { now } = this.#facts;
    const { timing, catchUp } = this.#before.spec;
    const drips = catchUp.policy === 'all' && several;
    if (drips && now < (this.#notBefore ?? 0)) return;
    let started = 0;
    for (const dueAt of occurrencesAfter(timing, (first - 1) as Instant, until)) {
      if (isExcluded(timing, dueAt)) this.#ledger.enter({ dueAt }, 'excluded', 'calendar');
      else {
        if (drips && started > 0) {
          this.#notBefore = instant(now + catchUp.dripMs);
          return;
        }
        if (this.turns.begin(occurrenceOf(this.#before, dueAt))) started++;
      }
      this.#ledger.decideUntil(dueAt);
    }
    this.#notBefore = undefined;
  }

  /** Up to where nothing is still to come. Jitter may put a later occurrence before an earlier one: they wait for their turn. */
  #ripeUntil(): Instant {
    const { now } = this.#facts;
    const { timing } = this.#before.spec;
    if (timing.jitterMs === 0) return now;
    const after = Math.max(this.#ledger.decidedUntil, now - timing.jitterMs - 1) as Instant;
    for (const dueAt of occurrencesAfter(timing, after, now)) if (firesAt(this.#before, dueAt) > now) return (dueAt - 1) as Instant;
    return now;
  }

  #verdict(change: Partial<ScheduleState>): Verdict {
    const { notBefore: _, ...before } = this.#before;
    const state: ScheduleState = {
      ...before,
      decidedUntil: this.#ledger.decidedUntil,
      ...(this.#notBefore !== undefined && { notBefore: this.#notBefore }),
      ...this.turns.state,
      ...change,
    };
    return { state, entries: this.#ledger.entries, stretches: this.#ledger.stretches, effects: this.turns.effects };
  }
}
