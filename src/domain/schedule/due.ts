/**
 * What becomes of the occurrences that are due: one function for every reason why they were not decided sooner. Pure, so that every
 * replica decides the same; whose event is stored first has decided (invariants 2 and 5).
 */
import { type Instant, instant, type RunId, scheduledRunId } from '../ids.ts';
import type { Lane } from '../job-type.ts';
import { isFailure } from '../outcome.ts';
import { isExcluded } from './exclusions.ts';
import { jitterOf } from './jitter.ts';
import type { Entry, Fate, Rule, Stretch } from './ledger.ts';
import { nextOccurrence, occurrencesAfter, occurrencesBefore, previousOccurrence } from './occurrences.ts';
import type { Occurrence, Overlap, ScheduleState } from './schedule.ts';

/** What the world says. */
export interface DueFacts {
  readonly now: Instant;
  /** The outcome of each of its `running` runs that has ended. Not needed of a schedule that does not watch its runs. */
  readonly ended: ReadonlyMap<RunId, string>;
  /** When all schedules were paused, oldest first. Without an end: they are. */
  readonly suspensions: readonly Suspension[];
}
export interface Suspension {
  readonly since: Instant;
  readonly until?: Instant;
}

export type ScheduleEffect =
  /** @param lane Another than the schedule's. */
  | { readonly type: 'start'; readonly occurrence: Occurrence; readonly lane?: Lane }
  /** Of a run that is in the way of a later one. */
  | { readonly type: 'cancel'; readonly runId: RunId };

/** What an event will say, and what must be done once it is stored (invariant 3). */
export interface Verdict {
  readonly state: ScheduleState;
  readonly entries: readonly Entry[];
  readonly stretches: readonly Stretch[];
  readonly effects: readonly ScheduleEffect[];
}

/** So late an occurrence still counts as on time: a process may be busy for a moment. */
export const ON_TIME_MS = 1_000;
/** Occurrences that wait for the run before them, at most. */
export const MOST_WAITING = 100;
/** Runs that are remembered as running, at most: the latest ones. Of a schedule that does not watch them it is the last one. */
const MOST_RUNNING = 100;
/** So many occurrences are listed one by one; more are a stretch. */
const MOST_LISTED = 10;
/** So many occurrences on excluded days are looked at before the rest of a gap is given up. */
const MOST_LOOKED_AT = 1_000;

/** Undefined: there is nothing to decide. */
export function decideDue(before: ScheduleState, facts: DueFacts): Verdict | undefined {
  const last = facts.suspensions.at(-1);
  if (before.status !== 'active' || (last !== undefined && last.until === undefined)) return undefined;
  const draft = new Draft(before, facts);
  draft.forgetEnded();
  if (draft.hasFailedTooOften) return draft.pause();
  draft.startWaiting();
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
  draft.forgetEnded();
  draft.begin(occurrence, overlap);
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

/** Whether what becomes of due occurrences depends on which runs have ended. */
export const watchesRuns = ({ waiting, spec }: ScheduleState): boolean =>
  waiting.length > 0 || spec.overlap !== 'allow-all' || spec.pauseAfterFailures > 0;

export const firesAt = ({ id, spec: { timing } }: Pick<ScheduleState, 'id' | 'spec'>, dueAt: Instant): Instant =>
  (dueAt + jitterOf(id, timing, dueAt)) as Instant;

/** One and the same for every replica, and for a backfill. */
export const occurrenceOf = ({ id, spec }: Pick<ScheduleState, 'id' | 'spec'>, dueAt: Instant): Occurrence => ({
  dueAt,
  runId: spec.runId ?? scheduledRunId(id, dueAt),
});

/** The decision while it is made. */
class Draft {
  readonly #before: ScheduleState;
  readonly #facts: DueFacts;
  readonly #entries: Entry[] = [];
  readonly #stretches: Stretch[] = [];
  readonly #effects: ScheduleEffect[] = [];
  #running: readonly Occurrence[];
  #waiting: readonly Occurrence[];
  #failures: number;
  #decidedUntil: Instant;
  #notBefore: Instant | undefined;

  constructor(before: ScheduleState, facts: DueFacts) {
    this.#before = before;
    this.#facts = facts;
    ({ running: this.#running, waiting: this.#waiting, failures: this.#failures } = before);
    ({ decidedUntil: this.#decidedUntil, notBefore: this.#notBefore } = before);
  }

  forgetEnded(): void {
    const { ended } = this.#facts;
    for (const { runId } of this.#running) {
      const outcome = ended.get(runId);
      if (outcome !== undefined) this.#failures = isFailure(outcome) ? this.#failures + 1 : 0;
    }
    this.#running = this.#running.filter(({ runId }) => !ended.has(runId));
  }

  get hasFailedTooOften(): boolean {
    const most = this.#before.spec.pauseAfterFailures;
    return most > 0 && this.#failures >= most;
  }

  pause(): Verdict {
    const note = `${this.#failures} runs in a row have ended badly`;
    this.#failures = 0; // whoever resumes it grants as many again
    return this.#verdict({ status: 'paused', pause: { since: this.#facts.now, note } });
  }

  startWaiting(): void {
    const [next, ...rest] = this.#waiting;
    if (next === undefined || this.#running.length > 0) return;
    this.#waiting = rest;
    this.#start(next, 'buffer');
  }

  takeDue(): void {
    const { now } = this.#facts;
    const { timing, catchUp } = this.#before.spec;
    const until = this.#ripeUntil();
    if (until <= this.#decidedUntil || this.#takeOnly(until)) return;
    const isWanted = Math.max(this.#decidedUntil, now - (catchUp.policy === 'none' ? ON_TIME_MS : catchUp.windowMs) - 1) as Instant;
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
    if (catchUp.policy === 'latest' && wanted.length === 1) {
      this.#pass(isWanted, 'window');
      this.#settle(first, 'coalesced', 'coalesce', occurrenceOf(this.#before, wanted[0]!).runId);
    } else {
      this.#pass(isWanted, 'window');
      this.#pass((first - 1) as Instant, 'cap');
    }
    this.#takeAll(first, until, wanted.length > 1);
  }

  /** What nearly always happens: one is due, and on time. False: it is something else. */
  #takeOnly(until: Instant): boolean {
    const { timing } = this.#before.spec;
    const only = nextOccurrence(timing, this.#decidedUntil);
    if (only === undefined || only > until || this.#facts.now - firesAt(this.#before, only) > ON_TIME_MS) return false;
    const next = nextOccurrence(timing, only);
    if ((next !== undefined && next <= until) || isExcluded(timing, only)) return false;
    this.begin(occurrenceOf(this.#before, only));
    this.#decidedUntil = only;
    this.#notBefore = undefined;
    return true;
  }

  /** What is undecided up to now, and what waits, comes to nothing. */
  giveUp(rule: 'changed' | 'deleted'): void {
    const { now } = this.#facts;
    for (const occurrence of this.#waiting) this.#enter(occurrence, 'skipped', rule);
    this.#waiting = [];
    this.#pass(now, rule);
    this.#decidedUntil = Math.max(this.#decidedUntil, now) as Instant;
    this.#notBefore = undefined;
  }

  verdict(): Verdict | undefined {
    const { spec } = this.#before;
    const isOver =
      this.#before.status === 'active' && this.#waiting.length === 0 && nextOccurrence(spec.timing, this.#decidedUntil) === undefined;
    const changed = this.#entries.length + this.#stretches.length + this.#effects.length > 0 || this.#waiting !== this.#before.waiting;
    if (!changed && !isOver && this.#decidedUntil === this.#before.decidedUntil) return undefined;
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
      if (isExcluded(timing, dueAt)) this.#enter({ dueAt }, 'excluded', 'calendar');
      else {
        if (drips && started > 0) {
          this.#notBefore = instant(now + catchUp.dripMs);
          return;
        }
        if (this.begin(occurrenceOf(this.#before, dueAt))) started++;
      }
      this.#decidedUntil = dueAt;
    }
    this.#notBefore = undefined;
  }

  /** Up to where nothing is still to come. Jitter may put a later occurrence before an earlier one: they wait for their turn. */
  #ripeUntil(): Instant {
    const { now } = this.#facts;
    const { timing } = this.#before.spec;
    if (timing.jitterMs === 0) return now;
    const after = Math.max(this.#decidedUntil, now - timing.jitterMs - 1) as Instant;
    for (const dueAt of occurrencesAfter(timing, after, now)) if (firesAt(this.#before, dueAt) > now) return (dueAt - 1) as Instant;
    return now;
  }

  /** By the overlap policy. False: it does not run now. */
  begin(occurrence: Occurrence, overlap = this.#before.spec.overlap): boolean {
    const other = this.#running.at(-1);
    if (other === undefined || overlap === 'allow-all') {
      const lateMs = this.#facts.now - firesAt(this.#before, occurrence.dueAt);
      this.#start(occurrence, lateMs <= ON_TIME_MS ? 'on-time' : 'catch-up');
      return true;
    }
    if (overlap === 'skip') this.#enter(occurrence, 'skipped', 'overlap', other.runId);
    else if (overlap === 'cancel-other') {
      for (const earlier of this.#waiting) this.#enter(earlier, 'skipped', 'superseded', occurrence.runId);
      if (this.#waiting.length === 0) for (const { runId } of this.#running) this.#effects.push({ type: 'cancel', runId });
      this.#waiting = [occurrence];
    } else if (this.#waiting.length < (overlap === 'buffer-one' ? 1 : MOST_WAITING)) this.#waiting = [...this.#waiting, occurrence];
    else this.#enter(occurrence, 'skipped', 'buffer-full', other.runId);
    return false;
  }

  #start(occurrence: Occurrence, rule: Rule): void {
    const { dueAt, runId, triggered } = occurrence;
    if (!triggered) this.#entries.push({ dueAt, fate: 'started', rule, lateMs: this.#facts.now - dueAt, runId });
    this.#running = watchesRuns(this.#before) ? [...this.#running.slice(1 - MOST_RUNNING), occurrence] : [occurrence];
    this.#effects.push({ type: 'start', occurrence });
  }

  /** Undecided occurrences up to `to` are not started any more: missed, or paused, by when each was due. */
  #pass(to: Instant, rule: Rule): void {
    for (const { since, until } of this.#pauses()) {
      if (until < this.#decidedUntil || since > to) continue;
      this.#settle(Math.min(since, to + 1) as Instant, 'missed', rule);
      this.#settle(Math.min(until, to + 1) as Instant, 'paused', rule === 'changed' || rule === 'deleted' ? rule : 'pause');
    }
    this.#settle((to + 1) as Instant, 'missed', rule);
  }

  /** Undecided occurrences before `end`. */
  #settle(end: Instant, fate: Stretch['fate'], rule: Rule, because?: RunId): void {
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
      this.#stretches.push({ from, to, fate, rule, ...(because && { because }) });
      this.#decidedUntil = to;
      return;
    }
    for (const dueAt of listed) {
      if (isExcluded(timing, dueAt)) this.#enter({ dueAt }, 'excluded', 'calendar');
      else this.#enter({ dueAt }, fate, rule, because);
      this.#decidedUntil = dueAt;
    }
  }

  #pauses(): { readonly since: Instant; readonly until: Instant }[] {
    const { pause, paused } = this.#before;
    const { suspensions, now } = this.#facts;
    return [...suspensions, ...(paused ? [paused] : []), ...(pause ? [pause] : [])]
      .map(({ since, ...rest }) => ({ since, until: ('until' in rest && rest.until) || instant(now + 1) })) // one that is on covers this instant
      .sort((a, b) => a.since - b.since);
  }

  #enter({ dueAt, triggered }: Pick<Occurrence, 'dueAt' | 'triggered'>, fate: Fate, rule: Rule, because?: RunId): void {
    if (triggered) return;
    this.#entries.push({ dueAt, fate, rule, lateMs: this.#facts.now - dueAt, ...(because && { because }) });
  }

  #verdict(change: Partial<ScheduleState>): Verdict {
    const { notBefore: _, ...before } = this.#before;
    const state: ScheduleState = {
      ...before,
      decidedUntil: this.#decidedUntil,
      ...(this.#notBefore !== undefined && { notBefore: this.#notBefore }),
      waiting: this.#waiting,
      running: this.#running,
      failures: this.#failures,
      ...change,
    };
    return { state, entries: this.#entries, stretches: this.#stretches, effects: this.#effects };
  }
}
