/**
 * Starts runs at their due times. Every replica does the same for every schedule, without a leader: the same occurrence has the same
 * message id, run id and ledger entry, so all but the first become nothing (invariant 5).
 */
import { VersionConflictError } from '../domain/errors.ts';
import { type Instant, type JobTypeId, type ScheduleId, type Sequence, scheduledRunId } from '../domain/ids.ts';
import { nextOccurrence, previousOccurrence } from '../domain/schedule/occurrences.ts';
import type { Timing } from '../domain/schedule/timing.ts';
import type { Clock, CommandSender, Log, ScheduleLog } from './ports.ts';

export interface Schedule {
  readonly id: ScheduleId;
  readonly jobType: JobTypeId;
  readonly timing: Timing;
}
export interface SchedulerOptions {
  readonly schedules: readonly Schedule[];
  readonly ledger: ScheduleLog;
  readonly commands: CommandSender;
  readonly clock: Clock;
  readonly log: Log;
}

/** An occurrence that was due while nobody ran is still started this long after, once (parity with the old service: contracts §11.1). */
export const MISFIRE_GRACE_MS = 300_000;
const RETRY_MS = 5_000;

export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #cancel = new Map<ScheduleId, () => void>();
  #stopped = false;

  constructor(options: SchedulerOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const now = this.#options.clock.now();
    for (const schedule of this.#options.schedules) {
      const last = await this.#options.ledger.last(schedule.id);
      await this.#catchUp(schedule, last?.dueAt ?? now, now);
    }
  }

  stop(): void {
    this.#stopped = true;
    for (const cancel of this.#cancel.values()) cancel();
  }

  /** Of what became due after `since`, starts the latest, if it is not older than the grace. */
  async #catchUp(schedule: Schedule, since: Instant, now: Instant): Promise<void> {
    const missed = previousOccurrence(schedule.timing, (now + 1) as Instant);
    if (missed === undefined || missed <= Math.max(since, now - MISFIRE_GRACE_MS)) this.#arm(schedule, now);
    else await this.#fire(schedule, missed);
  }

  /** On time, as a rule. After a suspend or a jump of the clock it is late, and the same holds as after a restart. */
  async #wake(schedule: Schedule, dueAt: Instant): Promise<void> {
    const now = this.#options.clock.now();
    if (now - dueAt > MISFIRE_GRACE_MS) {
      const due = new Date(dueAt).toISOString();
      this.#options.log.warn(
        { schedule: schedule.id, dueAt: due, lateMs: now - dueAt },
        'an occurrence is past its grace and is not started',
      );
    }
    await this.#catchUp(schedule, (dueAt - 1) as Instant, Math.max(now, dueAt) as Instant);
  }

  #arm(schedule: Schedule, after: Instant): void {
    const dueAt = nextOccurrence(schedule.timing, after);
    if (dueAt === undefined || this.#stopped) return;
    this.#cancel.set(
      schedule.id,
      this.#options.clock.wakeAt(dueAt, () => void this.#wake(schedule, dueAt)),
    );
  }

  /** Start first, record second: between the two a crash repeats the start, which is harmless, and never loses it. */
  async #fire(schedule: Schedule, dueAt: Instant): Promise<void> {
    const { commands, ledger, clock, log } = this.#options;
    const { id, jobType } = schedule;
    const runId = scheduledRunId(id, dueAt);
    const due = new Date(dueAt).toISOString();
    try {
      await commands.start({
        jobType,
        runId,
        input: {},
        actor: { who: `schedule:${id}`, why: `due at ${due}` },
        messageId: `${id}@${due}`,
      });
      const last = await ledger.last(id);
      if (last === undefined || last.dueAt < dueAt) {
        await ledger.recordStarted(id, { dueAt, runId, jobType, at: clock.now() }, last?.sequence ?? (0 as Sequence));
      }
      log.info({ schedule: id, runId, dueAt: due }, 'occurrence started');
    } catch (error) {
      if (!(error instanceof VersionConflictError)) {
        log.error({ err: error, schedule: id, dueAt: due }, 'an occurrence could not be started; trying again');
        if (!this.#stopped)
          this.#cancel.set(
            id,
            clock.wakeAt((clock.now() + RETRY_MS) as Instant, () => void this.#fire(schedule, dueAt)),
          );
        return;
      }
    }
    this.#arm(schedule, dueAt);
  }
}
