/** What people do to runs: cancel, pause, send events, try again. Whoever knows the job type carries it out; here it is asked for and awaited. */
import { type AlmanacError, ConflictError, commandErrorOf, NotFoundError } from '../domain/errors.ts';
import type { JobTypeId, RunId } from '../domain/ids.ts';
import type { JobType } from '../domain/job-type.ts';
import { isFailure } from '../domain/outcome.ts';
import type { Actor } from '../domain/run-event.ts';
import { CANCEL, parseSignal, RETRY, type Signal } from '../domain/signal.ts';
import { outcomeOf } from '../domain/statechart/snapshot.ts';
import { ask } from './ask.ts';
import type { Clock, CommandSender, QueuedStarts, ReplyBox, RunAddress, RunHistory, RunLog, StoredRunEvent } from './ports.ts';
import { viewOf } from './run-view.ts';
import { queuedRunId } from './start-request.ts';
import { noSuchRun, onlyOne } from './which-job-type.ts';

export interface RunControlOptions {
  readonly jobTypes: readonly Pick<JobType, 'id'>[];
  readonly runs: Pick<RunLog, 'last'>;
  readonly history: Pick<RunHistory, 'jobTypesOf' | 'read'>;
  readonly queue: QueuedStarts;
  readonly commands: CommandSender;
  readonly replies: ReplyBox;
  readonly clock: Clock;
}
export interface ControlRequest {
  readonly runId: RunId;
  /** Needed when several have a run of that id. */
  readonly jobType?: JobTypeId | undefined;
  readonly actor: Actor;
  /** How long to wait for the answer, in milliseconds. 0: not at all. */
  readonly timeoutMs: number;
}
/** `almanac run cancel -o json` and the like. */
export interface ControlledRun {
  readonly id: RunId;
  readonly jobType: JobTypeId;
  /** After the request, or before it where nobody has answered; null for a run that still waits for its turn. */
  readonly state: string | null;
  readonly outcome: string | null;
  /** False: the command is stored, and is carried out as soon as a process is there that can. */
  readonly answered: boolean;
}

interface FoundRun extends RunAddress {
  /** Undefined: its start command waits for its turn. */
  readonly last: StoredRunEvent | undefined;
}
type NewState = Pick<ControlledRun, 'state' | 'outcome'>;
type OpenReplies = ReturnType<ReplyBox['open']>;

export class RunControl {
  readonly #options: RunControlOptions;

  constructor(options: RunControlOptions) {
    this.#options = options;
  }

  /** Ends the run, whatever its statechart listens to. @throws as {@link signal} */
  cancel(request: ControlRequest): Promise<ControlledRun> {
    return this.signal(request, { type: CANCEL });
  }

  /**
   * Has the run's statechart hear an event.
   *
   * @throws {NotFoundError} There is no such run.
   * @throws {ConflictError} The run has ended or does not listen to it in its state, or several job types have a run of that id.
   * @throws {InvalidCommandError} The event or the actor is none, or larger than a command may be.
   */
  async signal(request: ControlRequest, event: Signal['event']): Promise<ControlledRun> {
    parseSignal(Buffer.from(JSON.stringify({ event, actor: request.actor })));
    return this.#signal(request, await this.#find(request), event);
  }

  /**
   * Has a run that waits between attempts try now, and begins one anew that has failed or was cancelled.
   * @throws as {@link signal}; {@link ConflictError} also of a run that has ended well.
   */
  async retry(request: ControlRequest): Promise<ControlledRun> {
    const { commands } = this.#options;
    const run = await this.#find(request);
    const outcome = run.last && outcomeOf(run.last.event.data.snapshot);
    if (outcome === undefined) return this.#signal(request, run, { type: RETRY });
    if (!isFailure(outcome))
      throw new ConflictError(`run ${run.runId} of ${run.jobType} has ended as ${outcome}: there is nothing to try again`);
    const { lease, revision } = run.last!.event.data;
    const { actor } = request;
    return this.#ask(
      request,
      run,
      (replyTo) => commands.again(run, 'restart', { lane: lease.lane, actor, replyTo }),
      (_, signal) => this.#restarted(run, revision, signal),
    );
  }

  #signal(request: ControlRequest, run: FoundRun, event: Signal['event']): Promise<ControlledRun> {
    const outcome = run.last && outcomeOf(run.last.event.data.snapshot);
    if (outcome !== undefined)
      throw new ConflictError(`run ${run.runId} of ${run.jobType} has ended as ${outcome}: ${event.type} comes too late`);
    const { actor } = request;
    return this.#ask(
      request,
      run,
      (replyTo) => this.#options.commands.signal(run, { event, actor, replyTo }),
      ({ acceptance }) => acceptance,
    );
  }

  async #ask(
    { timeoutMs }: ControlRequest,
    run: FoundRun,
    send: (replyTo: string) => Promise<void>,
    answer: (replies: OpenReplies, signal: AbortSignal) => Promise<NewState>,
  ): Promise<ControlledRun> {
    const { jobType, runId, last } = run;
    const now = await ask(this.#options, { jobType, runId, timeoutMs, send, answer, refusalOf });
    const { state, outcome } = now ?? (last === undefined ? { state: null, outcome: null } : viewOf(last, undefined));
    return { id: runId, jobType, state, outcome, answered: now !== undefined };
  }

  /** Whoever does it: two people may want it at once, and the run begins anew once. */
  async #restarted({ jobType, runId }: RunAddress, after: number, follow: AbortSignal): Promise<NewState> {
    let restarted: StoredRunEvent | undefined;
    await this.#options.history.read({ jobType, runId, follow }, (stored) => {
      if (stored.event.data.revision <= after) return undefined;
      restarted = stored;
      return 'stop';
    });
    return viewOf(restarted!, undefined);
  }

  /** @throws {NotFoundError} @throws {ConflictError} */
  async #find({ runId, jobType }: ControlRequest): Promise<FoundRun> {
    const { history, runs, jobTypes, queue } = this.#options;
    const begun = jobType ?? onlyOne(await history.jobTypesOf(runId), runId);
    const last = begun && (await runs.last(begun, runId, 'exact'));
    if (last !== undefined) return { jobType: last.jobType, runId, last };
    const candidates = jobType === undefined ? jobTypes.map(({ id }) => id as JobTypeId) : [jobType];
    const waiting: JobTypeId[] = [];
    for (const candidate of candidates) if (await queue.findStart(candidate, queuedRunId, runId)) waiting.push(candidate);
    const queued = onlyOne(waiting, runId);
    if (queued === undefined) throw noSuchRun(runId, jobType);
    return { jobType: queued, runId, last: undefined };
  }
}

/** The process that knows has the last word: the run may have moved since we looked. */
function refusalOf(code: string, reason: string): AlmanacError {
  switch (code) {
    case 'RUN_UNKNOWN':
      return new NotFoundError(reason);
    case 'RUN_FINISHED':
    case 'EVENT_REFUSED':
      return new ConflictError(reason);
    default:
      return commandErrorOf(code, reason);
  }
}
