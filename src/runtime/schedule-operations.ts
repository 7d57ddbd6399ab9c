/** What people and programs can ask of schedules, and have done to them: any process carries it out, here it is asked for and awaited. */
import {
  type AlmanacError,
  ConflictError,
  CorruptEventError,
  commandErrorOf,
  InvalidCommandError,
  NotFoundError,
} from '../domain/errors.ts';
import { type Instant, type JobTypeId, type RunId, type ScheduleId, scheduleId } from '../domain/ids.ts';
import { type JobType, jobTypeOf, type Lane, laneLimits, noSuchLane } from '../domain/job-type.ts';
import type { Actor } from '../domain/run-event.ts';
import { changeSchedule } from '../domain/schedule/change.ts';
import { contradictions } from '../domain/schedule/contradictions.ts';
import type { ScheduleSpec, ScheduleState } from '../domain/schedule/schedule.ts';
import { parseScheduleCommand, type ScheduleCommand, type SpecChange } from '../domain/schedule/schedule-command.ts';
import { parseScheduleEvent, type ScheduleEvent } from '../domain/schedule/schedule-event.ts';
import type { Standstill } from '../domain/schedule/standstill.ts';
import { changedTiming, type TimingChange } from '../domain/schedule/written-timing.ts';
import { parseInput } from '../domain/start-command.ts';
import { ABOUT_NO_RUN, ask } from './ask.ts';
import type { Clock, CommandSender, ReplyBox, RunHistory, RunLog, ScheduleLog, StandstillLog } from './ports.ts';
import { iso, type ScheduleView, viewOfSchedule } from './schedule-view.ts';

export interface ScheduleOperationsOptions {
  readonly jobTypes: readonly JobType[];
  readonly schedules: Pick<ScheduleLog, 'follow' | 'last' | 'read'>;
  readonly standstills: Pick<StandstillLog, 'last'>;
  readonly runs: Pick<RunLog, 'last'>;
  readonly history: Pick<RunHistory, 'read' | 'first'>;
  readonly commands: Pick<CommandSender, 'schedule'>;
  readonly replies: ReplyBox;
  readonly clock: Clock;
  /** IANA name, for schedules that name none: only to check them before they are sent. */
  readonly timeZone: string;
}
export interface ScheduleRequest {
  readonly actor: Actor;
  /** How long to wait for the answer, in milliseconds. 0: not at all. */
  readonly timeoutMs: number;
}
/** What is to be said of a schedule; of its timing, too, only what is to be another. */
export type ScheduleChange = Omit<SpecChange, 'timing'> & { readonly timing?: TimingChange };
/** `almanac schedule create -o json` and the like. */
export interface ChangedSchedule extends Pick<ScheduleView, 'id'>, Partial<Omit<ScheduleView, 'id'>> {
  /** False: the command is stored, and is carried out as soon as a process is there. */
  readonly answered: boolean;
  /** What does not go together in what it says now. */
  readonly warnings: readonly string[];
}

type Change = Exclude<ScheduleCommand, { do: 'backfill' }>;

export class ScheduleOperations {
  readonly #options: ScheduleOperationsOptions;

  constructor(options: ScheduleOperationsOptions) {
    this.#options = options;
  }

  /** By id; those that were deleted are left out. */
  async states(): Promise<ScheduleState[]> {
    const found = new Map<ScheduleId, ScheduleState>();
    const { ended } = await this.#options.schedules.follow(AbortSignal.abort(), ({ id, bytes }) => {
      const event = readEvent(bytes);
      if (event !== undefined) found.set(id, event.data.state);
    });
    await ended;
    return [...found.values()].filter(({ status }) => status !== 'deleted').sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  async list(filter: { jobType?: JobTypeId | undefined; status?: string | undefined } = {}): Promise<ScheduleView[]> {
    const { jobType, status } = filter;
    const states = (await this.states()).filter(
      (state) => (jobType === undefined || state.spec.jobType === jobType) && (status === undefined || state.status === status),
    );
    const standstill = await this.standstill();
    return states.map((state) => viewOfSchedule(state, standstill, this.#options.clock.now()));
  }

  /** Undefined: not all schedules are paused. */
  async standstill(): Promise<Standstill | undefined> {
    return (await this.#options.standstills.last()).state.now;
  }

  /** @throws {NotFoundError} There is no such schedule, or not any more. */
  async state(id: ScheduleId): Promise<ScheduleState> {
    const last = await this.#options.schedules.last(id);
    const state = last && parseScheduleEvent(last.bytes).data.state;
    if (state !== undefined && state.status !== 'deleted') return state;
    throw new NotFoundError(`there is no schedule ${id}${state ? ' any more: it was deleted' : ''}; see almanac schedule list`);
  }

  /**
   * @throws {NotFoundError} There is no such job type.
   * @throws {ConflictError} There is such a schedule already, and it is another one.
   * @throws {InvalidScheduleError} Of the timing, and {@link InvalidCommandError} of the rest: it says what to write instead.
   */
  async create(id: ScheduleId, change: ScheduleChange, request: ScheduleRequest): Promise<ChangedSchedule> {
    const { timing, ...rest } = change;
    const spec: SpecChange = { ...rest, ...(timing && { timing: { ...changedTiming(undefined, timing) } }) };
    return this.#change(id, undefined, { do: 'create', spec, actor: request.actor }, request);
  }

  /**
   * What is not named stays as it is. For the revision that is there now: if somebody else is faster, it is a conflict.
   * @throws as {@link create}; {@link NotFoundError} also of the schedule
   */
  async update(id: ScheduleId, { timing, ...rest }: ScheduleChange, request: ScheduleRequest): Promise<ChangedSchedule> {
    const state = await this.state(id);
    const spec: SpecChange = { ...rest, ...(timing && { timing: { ...changedTiming(state.spec.timing, timing) } }) };
    return this.#change(id, state, { do: 'update', spec, revision: state.revision, actor: request.actor }, request);
  }

  /** @throws {NotFoundError} */
  async pause(id: ScheduleId, note: string | undefined, request: ScheduleRequest): Promise<ChangedSchedule> {
    return this.#change(id, await this.state(id), { do: 'pause', ...(note && { note }), actor: request.actor }, request);
  }

  /** @throws {NotFoundError} */
  async resume(id: ScheduleId, request: ScheduleRequest): Promise<ChangedSchedule> {
    return this.#change(id, await this.state(id), { do: 'resume', actor: request.actor }, request);
  }

  /** @throws {NotFoundError} */
  async delete(id: ScheduleId, request: ScheduleRequest): Promise<ChangedSchedule> {
    return this.#change(id, await this.state(id), { do: 'delete', actor: request.actor }, request);
  }

  /**
   * One run now. @throws {NotFoundError} @throws {ConflictError} Another one has not ended, and the overlap policy is to skip.
   * @param overlap @default allow-all: whoever asks means it
   */
  async trigger(
    id: ScheduleId,
    { key, overlap }: { readonly key: RunId; readonly overlap?: ScheduleSpec['overlap'] | undefined },
    request: ScheduleRequest,
  ): Promise<ChangedSchedule> {
    const before = await this.state(id);
    return this.#send(id, before, { do: 'trigger', key, ...(overlap && { overlap }), actor: request.actor }, request, []);
  }

  /**
   * Starts the occurrences of that time that never ran, both ends included: {@link ScheduleInspection.backfill} tells which.
   * @throws {NotFoundError} @throws {InvalidCommandError} There are too many, or the end is before the beginning.
   */
  async backfill(
    id: ScheduleId,
    span: { readonly from: Instant; readonly to: Instant },
    request: ScheduleRequest,
  ): Promise<ChangedSchedule> {
    const [from, to] = [iso(span.from), iso(span.to)];
    return this.#send(id, await this.state(id), { do: 'backfill', from, to, actor: request.actor }, request, []);
  }

  /**
   * A run of that id, later. Its schedule has the same id.
   * @throws as {@link create}; {@link ConflictError} also of a run that exists already
   */
  async startAt(
    at: Instant,
    { jobType, runId, input, lane }: { jobType: JobTypeId; runId: RunId; input: unknown; lane?: Lane | undefined },
    request: ScheduleRequest,
  ): Promise<ChangedSchedule> {
    const id = scheduleId(runId);
    const isScheduled = (await this.#options.schedules.last(id)) !== undefined;
    if (!isScheduled && (await this.#options.history.first(jobType, runId)) !== undefined) {
      throw new ConflictError(`run ${runId} of ${jobType} exists already: choose another key`);
    }
    const timing: TimingChange = { at: iso(at) };
    return this.create(id, { jobType, runId, input, ...(lane && { lane }), timing }, request);
  }

  /** Whatever would be refused is refused here, before anything is sent. */
  async #change(id: ScheduleId, before: ScheduleState | undefined, command: Change, request: ScheduleRequest): Promise<ChangedSchedule> {
    const { clock, timeZone } = this.#options;
    parseScheduleCommand(Buffer.from(JSON.stringify(command)));
    const facts = {
      id,
      timeZone,
      now: clock.now(),
      ended: new Map(),
      suspensions: [],
      owner: 'operator',
      triggeredRun: id as never,
    } as const;
    const after = changeSchedule(before, command, facts)?.state ?? before!;
    const saysWhat = command.do === 'create' || command.do === 'update';
    if (saysWhat) this.#checkJob(after.spec);
    return this.#send(id, before, command, request, saysWhat ? contradictions(after.spec) : []);
  }

  #checkJob({ jobType, lane, input }: ScheduleSpec): void {
    const definition = jobTypeOf(this.#options.jobTypes, jobType);
    const lanes = laneLimits(definition);
    if (!lanes.has(lane)) throw new InvalidCommandError('LANE_UNKNOWN', noSuchLane(jobType, lane, lanes.keys()));
    parseInput(definition.input, input);
  }

  async #send(
    id: ScheduleId,
    before: ScheduleState | undefined,
    command: ScheduleCommand,
    { timeoutMs }: ScheduleRequest,
    warnings: readonly string[],
  ): Promise<ChangedSchedule> {
    const { commands, clock, schedules } = this.#options;
    const answer = await ask(this.#options, {
      ...ABOUT_NO_RUN,
      timeoutMs,
      send: (replyTo) => commands.schedule(id, command, { replyTo }),
      answer: ({ acceptance }) => acceptance,
      refusalOf,
    });
    const last = answer && (await schedules.last(id));
    const state = last ? parseScheduleEvent(last.bytes).data.state : before;
    return { ...(state && viewOfSchedule(state, await this.standstill(), clock.now())), id, answered: answer !== undefined, warnings };
  }
}

/** Undefined: somebody else wrote it. */
export function readEvent(bytes: Uint8Array): ScheduleEvent | undefined {
  try {
    return parseScheduleEvent(bytes);
  } catch (error) {
    if (error instanceof CorruptEventError) return undefined;
    throw error;
  }
}

/** The process that knows has the last word: the schedule may have changed since we looked. */
function refusalOf(code: string, reason: string): AlmanacError {
  if (code === 'SCHEDULE_UNKNOWN') return new NotFoundError(reason);
  if (code === 'SCHEDULE_CONFLICT') return new ConflictError(reason);
  return commandErrorOf(code, reason);
}
