/**
 * Starts runs at their due times. Every replica does the same for every schedule, without a leader: whose event is stored first has
 * decided, and the same occurrence has the same run id, so all others become nothing (invariants 2 and 5).
 */
import type { Instant, ScheduleId } from '../domain/ids.ts';
import { awaitsEnd, type DueFacts, decideDue, nextLook, watchesRuns } from '../domain/schedule/due.ts';
import type { ScheduleState } from '../domain/schedule/schedule.ts';
import { dueEventType } from '../domain/schedule/schedule-event.ts';
import type { KnownSchedule, ScheduleBook } from './schedule-book.ts';
import type { ScheduleWriter, ScheduleWriterOptions } from './schedule-writer.ts';
import { TimerHeap } from './timer-heap.ts';

export interface SchedulerOptions extends Pick<ScheduleWriterOptions, 'schedules' | 'clock' | 'log'> {
  readonly book: ScheduleBook;
  readonly writer: ScheduleWriter;
  /** All schedules are paused. When that changes, `armAll` is called. */
  readonly standsStill: () => boolean;
}

/** After the log refused a decision, or could not be read. */
const RETRY_MS = 1_000;
/** A run that is waited for is looked at so often. */
const LOOK_AT_RUNS_MS = 1_000;
/** At the start, what others may have left undone is looked at in the background. */
const FINISHED_AT_ONCE = 64;
/** Of many that are due at the same time: the server stores these while the next ones are decided. */
const DECIDED_AT_ONCE = 32;

export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #heap: TimerHeap;
  readonly #following = new AbortController();
  /** Being decided, each at most once at a time. */
  readonly #busy = new Map<ScheduleId, Promise<void>>();

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#heap = new TimerHeap({
      clock: options.clock,
      onDue: (ids) => void this.#decideAll(ids as readonly ScheduleId[]),
    });
  }

  /** Resolves when every schedule there is has been armed. */
  async start(): Promise<void> {
    const { schedules, book, log } = this.#options;
    let ready = false;
    const { ended } = await schedules.follow(this.#following.signal, (stored) => {
      const news = book.learn(stored);
      if (!ready) return;
      if (!this.#busy.has(stored.id)) this.#arm(stored.id); // also after a change by a command that was carried out here
      if (news !== undefined) void this.#finish(news);
    });
    ended.catch((err: unknown) => log.error({ err }, 'schedules cannot be read any more: changes made elsewhere are not seen'));
    ready = true;
    for (const { state } of book.all()) this.#arm(state.id);
    void this.#finishAll();
  }

  async stop(): Promise<void> {
    this.#following.abort();
    this.#heap.stop();
    this.#options.writer.stop();
    await Promise.allSettled(this.#busy.values());
  }

  /** After everything was paused, or is not any more. */
  armAll(): void {
    for (const { state } of this.#options.book.all()) this.#arm(state.id);
  }

  async #finishAll(): Promise<void> {
    const all = this.#options.book.all(); // shared: each is taken once
    const finishEach = async () => {
      for (const known of all) {
        if (this.#following.signal.aborted) return;
        await this.#finish(known);
      }
    };
    await Promise.all(Array.from({ length: FINISHED_AT_ONCE }, finishEach));
  }

  async #finish(known: KnownSchedule): Promise<void> {
    try {
      await this.#options.writer.finish(known);
    } catch (err) {
      this.#options.log.warn(
        { err, schedule: known.state.id },
        'whether all was started is not known; asked again before the next occurrence',
      );
    }
  }

  #arm(id: ScheduleId, notBefore = 0): void {
    const state = this.#options.standsStill() ? undefined : this.#options.book.get(id)?.state;
    const look = state && nextLook(state);
    const end = state && awaitsEnd(state) ? this.#options.clock.now() + LOOK_AT_RUNS_MS : Number.POSITIVE_INFINITY;
    const at = Math.max(notBefore, Math.min(look ?? Number.POSITIVE_INFINITY, end));
    if (Number.isFinite(at)) this.#heap.set(id, at as Instant);
    else this.#heap.delete(id);
  }

  async #decideAll(ids: readonly ScheduleId[]): Promise<void> {
    for (const [index, id] of ids.entries()) {
      if (index % DECIDED_AT_ONCE === 0 && index > 0) await this.#nextTurn();
      if (this.#following.signal.aborted) return;
      void this.#decide(id);
    }
  }

  /** What has arrived meanwhile comes first. */
  #nextTurn(): Promise<void> {
    const { clock } = this.#options;
    return new Promise((proceed) => clock.wakeAt(clock.now(), proceed));
  }

  async #decide(id: ScheduleId): Promise<void> {
    if (this.#busy.has(id)) return;
    const work = this.#carryOut(id);
    this.#busy.set(id, work);
    const notBefore = await work.then(
      () => 0,
      (err: unknown) => {
        this.#options.log.error({ err, schedule: id }, 'what is due could not be decided; trying again');
        return this.#options.clock.now() + RETRY_MS;
      },
    );
    this.#busy.delete(id);
    this.#arm(id, notBefore);
  }

  async #carryOut(id: ScheduleId): Promise<void> {
    const decide = (state: ScheduleState | undefined, facts: DueFacts) => {
      const verdict = state && decideDue(state, facts);
      return verdict && { type: dueEventType(verdict.state), ...verdict };
    };
    await this.#options.writer.write(id, decide, watchesRuns);
  }
}
