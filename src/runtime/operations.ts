/** What people and programs can ask of Almanac. One place for every door: CLI now, HTTP and NATS services later. */
import { isDeepStrictEqual } from 'node:util';
import type { Progress } from '../domain/activity.ts';
import { ConflictError, commandErrorOf, InvalidCommandError } from '../domain/errors.ts';
import type { JobTypeId, RunId } from '../domain/ids.ts';
import { type JobType, jobTypeOf, type Lane, laneLimits, noSuchLane } from '../domain/job-type.ts';
import type { Actor } from '../domain/run-event.ts';
import { progressOf } from '../domain/run-progress.ts';
import { parseInput, parseStartCommand } from '../domain/start-command.ts';
import { describeState, isFinal } from '../domain/statechart/snapshot.ts';
import { checkDefinitions, type InFlight } from './definition-check.ts';
import { HistoryVerifier, type Verdict } from './history-verifier.ts';
import type { AlertHistory, CommandSender, ReadOptions, ReplyBox, RunHistory, StoredRunEvent } from './ports.ts';
import { runDiagramOf } from './run-diagram.ts';
import { heldBy, type RunDescription, type RunView, viewOf } from './run-view.ts';
import { noSuchRun, onlyOne } from './which-job-type.ts';

export interface OperationsOptions {
  readonly jobTypes: readonly JobType[];
  readonly history: RunHistory;
  readonly alerts: AlertHistory;
  readonly commands: CommandSender;
  readonly replies: ReplyBox;
}
export interface StartRun {
  readonly jobType: JobTypeId;
  readonly runId: RunId;
  readonly input?: unknown;
  readonly lane?: Lane;
  readonly actor?: Actor;
}
export interface RunFilter {
  readonly jobType?: JobTypeId | undefined;
  /** Exact state, e.g. `reconciling`. */
  readonly state?: string | undefined;
  readonly outcome?: string | undefined;
  readonly limit: number;
}
/** Where a message stands that is not a run event. */
export interface Foreign {
  readonly subject: string;
  readonly sequence: number;
}
export type ReplaySelection = Pick<ReadOptions, 'jobType' | 'runId' | 'since' | 'until'>;

export class Operations {
  readonly #options: OperationsOptions;

  constructor(options: OperationsOptions) {
    this.#options = options;
  }

  jobTypes(): readonly JobType[] {
    return this.#options.jobTypes;
  }

  /**
   * Sends the start command; the same run id twice starts one run.
   *
   * @throws {NotFoundError} No such job type.
   * @throws {InvalidCommandError} The input is not what the job type takes, or it has no such lane.
   * @throws {ConflictError} A run of that id exists with another input. Choose another key.
   */
  async startRun({ jobType, runId, input = {}, lane, actor }: StartRun, replyTo?: string): Promise<{ existed: boolean }> {
    const definition = jobTypeOf(this.#options.jobTypes, jobType);
    const lanes = laneLimits(definition);
    if (lane !== undefined && !lanes.has(lane)) throw new InvalidCommandError('LANE_UNKNOWN', noSuchLane(jobType, lane, lanes.keys()));
    const parsed = parseInput(definition.input, input);
    if (await this.#exists(jobType, runId, parsed)) return { existed: true };
    const command = { jobType, runId, input, ...(lane && { lane }), actor, ...(replyTo && { replyTo }) };
    const { earlier } = await this.#options.commands.startOnce(command);
    if (earlier === undefined) return { existed: false };
    if (earlier.body !== null) {
      refuseOther(parseInput(definition.input, parseStartCommand(earlier.body).input), parsed, jobType, runId);
    } else if (!(await this.#exists(jobType, runId, parsed))) {
      throw new ConflictError(`a command for run ${runId} of ${jobType} was refused a moment ago: choose another key, or wait two minutes`);
    }
    return { existed: true };
  }

  /** @throws {ConflictError} With another input. */
  async #exists(jobType: JobTypeId, runId: RunId, input: unknown): Promise<boolean> {
    const existing = await this.#options.history.first(jobType, runId);
    if (existing !== undefined) refuseOther(existing.event.data.input, input, jobType, runId);
    return existing !== undefined;
  }

  /**
   * As {@link startRun}, then waits until the run has ended.
   * @throws {InvalidCommandError} The process that took the command refused it.
   * @throws {RunSuspendedError} The run began and cannot go on.
   */
  async startRunAndWait(start: StartRun, onProgress: (activity: string, progress: Progress) => void): Promise<RunView> {
    const replies = this.#options.replies.open(start.jobType, start.runId, onProgress);
    const done = new AbortController();
    try {
      await this.startRun(start, replies.address);
      const ended = this.#untilFinal(start.jobType, start.runId, onProgress, done.signal);
      const refused = replies.rejection.then(({ code, reason }) => {
        throw commandErrorOf(code, reason);
      });
      return await Promise.race([ended, refused]);
    } finally {
      done.abort();
      replies.close();
    }
  }

  async #untilFinal(
    jobType: JobTypeId,
    runId: RunId,
    onProgress: (state: string, progress: Progress) => void,
    follow: AbortSignal,
  ): Promise<RunView> {
    let first: StoredRunEvent | undefined;
    let last: StoredRunEvent | undefined;
    await this.#options.history.read({ jobType, runId, follow }, (stored) => {
      first ??= stored;
      last = stored;
      const { snapshot } = stored.event.data;
      const progress = progressOf(snapshot);
      if (progress !== undefined) {
        const { failed, ...counts } = progress;
        onProgress(describeState(snapshot.value), failed ? { ...counts, note: `${failed} failed` } : counts);
      }
      return isFinal(snapshot) ? 'stop' : undefined;
    });
    return viewOf(last!, first);
  }

  /** Newest first. */
  async listRuns({ jobType, state, outcome, limit }: RunFilter): Promise<RunView[]> {
    const found = new Map<string, StoredRunEvent>();
    await this.#options.history.read({ jobType, lastPerRun: true }, (stored) => {
      const view = viewOf(stored, undefined);
      if ((state === undefined || view.state === state) && (outcome === undefined || view.outcome === outcome))
        found.set(stored.event.subject, stored);
      else found.delete(stored.event.subject); // it came a second time, and has moved on
      return undefined;
    });
    const newest = [...found.values()].sort((a, b) => (a.event.data.startedAt < b.event.data.startedAt ? 1 : -1)).slice(0, limit);
    return Promise.all(newest.map(async (last) => viewOf(last, await this.#options.history.first(last.jobType, last.runId))));
  }

  /**
   * @throws {NotFoundError} There is no such run.
   * @throws {ConflictError} Several job types have a run of that id. Name the job type.
   */
  async describeRun(runId: RunId, jobType?: JobTypeId): Promise<RunDescription> {
    const last = await this.#lastOf(runId, jobType);
    const first = await this.#options.history.first(last.jobType, runId);
    const alert = isFinal(last.event.data.snapshot) ? undefined : await this.#options.alerts.last(last.jobType, runId, last.sequence);
    return { ...viewOf(last, first), held: alert === undefined ? null : heldBy(alert) };
  }

  /** Whether the code at hand can continue the runs in flight: what to ask before it is deployed. */
  checkDefinitions(jobType?: JobTypeId): Promise<InFlight[]> {
    return checkDefinitions(this.#options.jobTypes, this.#options.history, jobType);
  }

  /**
   * Mermaid's text of the run's statechart, with where the run is.
   * @throws {ConflictError} The run is on another definition of its job type, too.
   * @throws as {@link describeRun}
   */
  async runDiagram(runId: RunId, jobType?: JobTypeId): Promise<string> {
    const last = await this.#lastOf(runId, jobType);
    return runDiagramOf(last, jobTypeOf(this.#options.jobTypes, last.jobType));
  }

  async #lastOf(runId: RunId, jobType: JobTypeId | undefined): Promise<StoredRunEvent> {
    const run = { jobType: await this.#jobTypeOf(runId, jobType), runId };
    let last: StoredRunEvent | undefined;
    await this.#options.history.read({ ...run, lastPerRun: true }, (stored) => {
      last = stored;
      return undefined;
    });
    if (last === undefined) throw noSuchRun(runId, jobType);
    return last;
  }

  /** Every event of a run, oldest first. @throws as {@link describeRun} */
  async runHistory(runId: RunId, jobType?: JobTypeId): Promise<StoredRunEvent[]> {
    const run = { jobType: await this.#jobTypeOf(runId, jobType), runId };
    const history: StoredRunEvent[] = [];
    await this.#options.history.read(run, (stored) => {
      history.push(stored);
      return undefined;
    });
    if (history.length === 0) throw noSuchRun(runId, jobType);
    return history;
  }

  async #jobTypeOf(runId: RunId, named: JobTypeId | undefined): Promise<JobTypeId> {
    const jobType = named ?? onlyOne(await this.#options.history.jobTypesOf(runId), runId);
    if (jobType === undefined) throw noSuchRun(runId, named);
    return jobType;
  }

  /**
   * Folds every event of the selection again and compares snapshots, revisions and the hash chain (invariant 1). Runs whose beginning is
   * not in the selection are left out.
   */
  async verify(selection: ReplaySelection): Promise<Verdict> {
    const verifier = new HistoryVerifier(this.#options.jobTypes, { complete: selection.since === undefined });
    const onForeign = (where: Foreign) => verifier.foreign(where);
    await this.#options.history.read({ ...selection, onForeign }, (stored) => verifier.take(stored));
    return verifier.result();
  }

  /** Hands over the events of runs in the one order of the log. */
  replay(
    selection: ReplaySelection,
    onEvent: (stored: StoredRunEvent) => Promise<undefined>,
    onForeign: (where: Foreign) => void,
  ): Promise<void> {
    return this.#options.history.read({ ...selection, onForeign }, onEvent);
  }
}

/** @throws {ConflictError} The same key for something else. */
function refuseOther(earlier: unknown, wanted: unknown, jobType: JobTypeId, runId: RunId): void {
  const json = (value: unknown): unknown => JSON.parse(JSON.stringify(value ?? null));
  if (isDeepStrictEqual(json(earlier), json(wanted))) return;
  throw new ConflictError(`run ${runId} of ${jobType} exists already, with another input: choose another key`);
}
