/** Whose turn it is: which occurrences start, which wait for the run before them, and which come to nothing because of it (overlap policy). */
import type { Instant, RunId } from '../ids.ts';
import type { Lane } from '../job-type.ts';
import { isFailure } from '../outcome.ts';
import type { Rule } from './ledger.ts';
import type { LedgerDraft } from './ledger-draft.ts';
import { firesAt, type Occurrence, type Overlap, type ScheduleState } from './schedule.ts';

export type ScheduleEffect =
  /** @param lane Another than the schedule's. */
  | { readonly type: 'start'; readonly occurrence: Occurrence; readonly lane?: Lane }
  /** Of a run that is in the way of a later one. */
  | { readonly type: 'cancel'; readonly runId: RunId };

/** So late an occurrence still counts as on time: a process may be busy for a moment. */
export const ON_TIME_MS = 1_000;
/** Occurrences that wait for the run before them, at most. */
export const MOST_WAITING = 100;
/** Runs that are remembered as running, at most: the latest ones. Of a schedule that does not watch them it is the last one. */
const MOST_RUNNING = 100;

/** Whether what becomes of due occurrences depends on which runs have ended. */
export const watchesRuns = ({ waiting, spec }: ScheduleState): boolean =>
  waiting.length > 0 || spec.overlap !== 'allow-all' || spec.pauseAfterFailures > 0;

export class Turns {
  readonly effects: ScheduleEffect[] = [];
  readonly #before: ScheduleState;
  readonly #now: Instant;
  readonly #ledger: LedgerDraft;
  #running: readonly Occurrence[];
  #waiting: readonly Occurrence[];
  #failures: number;

  constructor(before: ScheduleState, now: Instant, ledger: LedgerDraft) {
    this.#before = before;
    this.#now = now;
    this.#ledger = ledger;
    ({ running: this.#running, waiting: this.#waiting, failures: this.#failures } = before);
  }

  get state(): Pick<ScheduleState, 'running' | 'waiting' | 'failures'> {
    return { waiting: this.#waiting, running: this.#running, failures: this.#failures };
  }

  /** @param ended The outcome of each run that has. */
  forgetEnded(ended: ReadonlyMap<RunId, string>): void {
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

  /** As many failures again are granted. Returns how many there were. */
  forgiveFailures(): number {
    const failures = this.#failures;
    this.#failures = 0;
    return failures;
  }

  startWaiting(): void {
    const [next, ...rest] = this.#waiting;
    if (next === undefined || this.#running.length > 0) return;
    this.#waiting = rest;
    this.#start(next, 'buffer');
  }

  dropWaiting(rule: Rule): void {
    for (const occurrence of this.#waiting) this.#ledger.enter(occurrence, 'skipped', rule);
    this.#waiting = [];
  }

  /** By the overlap policy. False: it does not run now. */
  begin(occurrence: Occurrence, overlap = this.#before.spec.overlap): boolean {
    const other = this.#running.at(-1);
    if (other === undefined || overlap === 'allow-all') {
      const lateMs = this.#now - firesAt(this.#before, occurrence.dueAt);
      this.#start(occurrence, lateMs <= ON_TIME_MS ? 'on-time' : 'catch-up');
      return true;
    }
    this.#putOff(occurrence, overlap, other.runId);
    return false;
  }

  #putOff(occurrence: Occurrence, overlap: Exclude<Overlap, 'allow-all'>, inItsWay: RunId): void {
    if (overlap === 'skip') this.#ledger.enter(occurrence, 'skipped', 'overlap', inItsWay);
    else if (overlap === 'cancel-other') {
      for (const earlier of this.#waiting) this.#ledger.enter(earlier, 'skipped', 'superseded', occurrence.runId);
      if (this.#waiting.length === 0) for (const { runId } of this.#running) this.effects.push({ type: 'cancel', runId });
      this.#waiting = [occurrence];
    } else if (this.#waiting.length < (overlap === 'buffer-one' ? 1 : MOST_WAITING)) this.#waiting = [...this.#waiting, occurrence];
    else this.#ledger.enter(occurrence, 'skipped', 'buffer-full', inItsWay);
  }

  #start(occurrence: Occurrence, rule: Rule): void {
    this.#ledger.enterStart(occurrence, rule);
    this.#running = watchesRuns(this.#before) ? [...this.#running.slice(1 - MOST_RUNNING), occurrence] : [occurrence];
    this.effects.push({ type: 'start', occurrence });
  }
}
