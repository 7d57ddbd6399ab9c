/** Commands for schedules, carried out by any process: each ends as an event of its schedule or as a dead letter (invariant 6). */
import { InvalidCommandError, InvalidScheduleError } from '../domain/errors.ts';
import { type Instant, isSafeToken, type JobTypeId, type RunId, type ScheduleId } from '../domain/ids.ts';
import type { Lane } from '../domain/job-type.ts';
import { BackfillPlan, backfilled, backfillLane } from '../domain/schedule/backfill.ts';
import { changeSchedule } from '../domain/schedule/change.ts';
import { decideDue } from '../domain/schedule/due.ts';
import type { ScheduleState } from '../domain/schedule/schedule.ts';
import { parseScheduleCommand, type ScheduleCommand } from '../domain/schedule/schedule-command.ts';
import { dueEventType, parseScheduleEvent } from '../domain/schedule/schedule-event.ts';
import type { Lease, ScheduleLog } from './ports.ts';
import type { ScheduleWriter } from './schedule-writer.ts';
import { bury, REPLY_TO, retryDelayMs, type UnusableOptions } from './unusable.ts';

export interface ScheduleDeskOptions extends UnusableOptions {
  readonly schedules: ScheduleLog;
  readonly writer: ScheduleWriter;
  /** IANA name, for schedules that name none. */
  readonly timeZone: string;
  /** Of a job type; none of one that this process does not know. */
  readonly lanesOf: (jobType: JobTypeId) => ReadonlySet<Lane>;
}

type BackfillCommand = Extract<ScheduleCommand, { do: 'backfill' }>;

export class ScheduleDesk {
  readonly #options: ScheduleDeskOptions;
  /** Commands for one schedule are carried out in the order they came in. */
  readonly #last = new Map<ScheduleId, Promise<void>>();

  constructor(options: ScheduleDeskOptions) {
    this.#options = options;
  }

  /** Settles the lease. */
  async hear(lease: Lease): Promise<void> {
    const id = lease.subject.split('.')[2] as ScheduleId;
    const turn = (this.#last.get(id) ?? Promise.resolve()).then(() => this.#carryOut(id, lease));
    this.#last.set(id, turn);
    await turn;
    if (this.#last.get(id) === turn) this.#last.delete(id);
  }

  async #carryOut(id: ScheduleId, lease: Lease): Promise<void> {
    const { announcer, log } = this.#options;
    try {
      if (!isSafeToken(id)) throw new InvalidCommandError('COMMAND_SUBJECT_UNKNOWN', `${lease.subject} names no schedule`);
      const command = parseScheduleCommand(lease.body);
      const state = (await this.#wasHeard(id, lease)) ?? (await this.#apply(id, command, lease));
      lease.acknowledge();
      const replyTo = lease.headers[REPLY_TO];
      if (replyTo !== undefined) announcer.accept(replyTo, { state: state.status, outcome: null });
    } catch (error) {
      if (error instanceof InvalidCommandError || error instanceof InvalidScheduleError) {
        const { code, message: reason } = error;
        log.warn({ subject: lease.subject, command: lease.command, code, reason }, 'a command for a schedule is refused');
        return bury(this.#options, lease, { origin: 'command', jobType: 'schedule', code, reason });
      }
      log.error({ err: error, subject: lease.subject }, 'a command for a schedule could not be carried out; trying again');
      lease.handBack(retryDelayMs(lease.delivery));
    }
  }

  /** What is due is decided before the schedule becomes another one. */
  async #apply(id: ScheduleId, command: ScheduleCommand, lease: Lease): Promise<ScheduleState> {
    const { writer, timeZone } = this.#options;
    await writer.write(id, (state, facts) => {
      const verdict = state && decideDue(state, facts);
      return verdict && { type: dueEventType(verdict.state), ...verdict };
    });
    if (command.do === 'backfill') return this.#backfill(id, command, lease);
    let now: ScheduleState | undefined;
    const triggeredRun = `${id}-${lease.command}` as RunId;
    const written = await writer.write(id, (state, facts) => {
      now = state;
      const change = changeSchedule(state, command, { ...facts, id, timeZone, owner: 'operator', triggeredRun });
      return change && { ...change, actor: command.actor, command: lease.command };
    });
    return (written ?? now)!;
  }

  async #backfill(id: ScheduleId, { from, to, actor }: BackfillCommand, lease: Lease): Promise<ScheduleState> {
    const { schedules, writer, lanesOf } = this.#options;
    for (;;) {
      const plan = new BackfillPlan(id, Date.parse(from) as Instant, Date.parse(to) as Instant);
      let heard = 0;
      await schedules.read(id, ({ bytes, sequence }) => {
        plan.hear(parseScheduleEvent(bytes));
        heard = sequence;
      });
      const slots = plan.slots().filter(({ state }) => state === 'fill');
      const written = await writer.write(id, (state, { now }, sequence) => {
        if (state === undefined || sequence !== heard) return undefined; // something was decided meanwhile: plan again
        const lane = backfillLane(lanesOf(state.spec.jobType));
        const effects = slots.map(({ dueAt, runId }) => ({ type: 'start' as const, occurrence: { dueAt, runId }, ...(lane && { lane }) }));
        const entries = slots.map((slot) => backfilled(slot, now));
        return { type: 'almanac.schedule.backfilled', state, entries, stretches: [], effects, actor, command: lease.command };
      });
      if (written !== undefined) return written;
    }
  }

  /** The state of the schedule, if an earlier delivery of the command got as far as the log. */
  async #wasHeard(id: ScheduleId, { delivery, command }: Lease): Promise<ScheduleState | undefined> {
    if (delivery === 1) return undefined;
    let heard: ScheduleState | undefined;
    await this.#options.schedules.read(id, ({ bytes }) => {
      const { data } = parseScheduleEvent(bytes);
      if (data.command === command) heard = data.state;
    });
    return heard;
  }
}
