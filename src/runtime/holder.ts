/**
 * Holding one run: from a lease to the run's end. Decide, append, act, in this order, until the statechart is final (invariants 1 to 4).
 */
import { isDeepStrictEqual } from 'node:util';
import type { Activities } from '../domain/activity.ts';
import { DefinitionChangedError, InvalidCommandError, SnapshotTooLargeError, VersionConflictError } from '../domain/errors.ts';
import type { JobTypeId, RunId, Sequence } from '../domain/ids.ts';
import { advanceRun, type Decision, type Facts, type Run, resumeRun, runAfter, startRun } from '../domain/run.ts';
import type { Actor } from '../domain/run-event.ts';
import type { FoldableStatechart } from '../domain/statechart/fold.ts';
import { serializeError } from '../domain/statechart/serialized-error.ts';
import { isFinal, outcomeOf } from '../domain/statechart/snapshot.ts';
import { activityFailed, type Stimulus } from '../domain/statechart/stimulus.ts';
import { Mailbox } from './mailbox.ts';
import { Outside } from './outside.ts';
import type { Announcer, Clock, Identity, Log, RunLog, RunObserver } from './ports.ts';

export interface HolderOptions {
  readonly jobType: JobTypeId;
  readonly statechart: FoldableStatechart;
  readonly activities: Activities;
  readonly runs: RunLog;
  readonly clock: Clock;
  readonly identity: Identity;
  readonly announcer: Announcer;
  readonly observer: RunObserver;
  readonly log: Log;
  /** Whether a start command is still waiting or held; tells a duplicate from an orphan. */
  readonly commandExists: (command: number) => Promise<boolean>;
}

export interface Held {
  readonly runId: RunId;
  readonly input: unknown;
  readonly actor?: Actor | undefined;
  readonly traceparent?: string | undefined;
  readonly command: number;
  readonly delivery: number;
}

/**
 * - `final`: the run has ended, now or earlier.
 * - `duplicate`: another command owns the run and goes on with it.
 * - `lost`: another process holds the run by the same command.
 * - `stopped`: this process is to stop; the run goes on elsewhere.
 */
export type HoldResult = 'final' | 'duplicate' | 'lost' | 'stopped';

const NO_EVENT = 0 as Sequence;

export class Holder {
  readonly #options: HolderOptions;
  readonly #held: Held;
  readonly #mailbox = new Mailbox();
  readonly #outside: Outside;
  #stopping = false;
  #holds = true;
  /** Of ours, once we have started the run or taken it over. */
  #term = 1;

  constructor(options: HolderOptions, held: Held) {
    this.#options = options;
    this.#held = held;
    const { jobType, activities, clock, announcer, log } = options;
    this.#outside = new Outside({ jobType, runId: held.runId, activities, mailbox: this.#mailbox, clock, announcer, log });
  }

  /**
   * @throws {InvalidCommandError} The first event of the run would be too large, or the run exists with another input.
   * @throws {StatechartCodeError} The statechart's own code threw: nothing was appended, a fixed deployment continues the run.
   * @throws {DefinitionChangedError} The run began on another definition: nothing was appended (invariant 9).
   * @throws {StorageRefusedError} The log takes no events at the moment: try later.
   */
  async hold(): Promise<HoldResult> {
    try {
      const begun = await this.#begin();
      return typeof begun === 'string' ? begun : await this.#goOn(begun);
    } finally {
      this.#holds = false;
      this.#mailbox.close();
      await this.#outside.stop('the run is not held here any more');
    }
  }

  /** False once the end is known, though an activity may take its time to stop: the lease is somebody else's business then. */
  get holds(): boolean {
    return this.#holds;
  }

  /** Stops activities and lets `hold()` return, with the run wherever it is. */
  stop(): void {
    this.#stopping = true;
    this.#mailbox.close();
  }

  /** The first delivery of a command meets no run, as a rule: so append first, and look only when that is refused (invariant 5). */
  async #begin(): Promise<Run | HoldResult> {
    if (this.#held.delivery > 1) {
      const known = await this.#load('fast');
      if (known !== undefined) return this.#takeOver(known);
    }
    const decision = this.#decideStart();
    const run = await this.#append(decision, NO_EVENT);
    if (run === undefined) return this.#takeOver((await this.#load('exact'))!);
    this.#options.observer.started(run.jobType);
    this.#outside.perform(decision.effects);
    return run;
  }

  #decideStart(): Decision {
    try {
      return startRun(this.#options.statechart, { ...this.#held, jobType: this.#options.jobType }, this.#facts());
    } catch (error) {
      if (!(error instanceof SnapshotTooLargeError)) throw error;
      throw new InvalidCommandError('COMMAND_TOO_LARGE', error.message, { cause: error }); // there is no run that could fail
    }
  }

  /** The run exists already. */
  async #takeOver(run: Run): Promise<Run | HoldResult> {
    let known = run;
    if (known.lease.command !== this.#held.command) await this.#checkInput();
    for (;;) {
      if (isFinal(known.snapshot)) return 'final';
      this.#checkDefinition(known);
      const sameCommand = known.lease.command === this.#held.command;
      if (!sameCommand && (await this.#options.commandExists(known.lease.command))) return 'duplicate';
      if (sameCommand && known.lease.delivery > this.#held.delivery) return 'lost';
      this.#term = known.lease.term + 1;
      const resumed = await this.#append(resumeRun(known, this.#facts()), known.sequence);
      if (resumed !== undefined) {
        this.#outside.align(resumed.snapshot);
        return resumed;
      }
      known = (await this.#load('exact'))!;
    }
  }

  /** Another command for the run. Meaning the same it becomes nothing; asking for something else it must not vanish (invariant 6). */
  async #checkInput(): Promise<void> {
    const { jobType, runs } = this.#options;
    const first = await runs.first(jobType, this.#held.runId);
    if (first === undefined || isDeepStrictEqual(first.event.data.input, this.#held.input)) return;
    throw new InvalidCommandError(
      'KEY_REUSED',
      `run ${this.#held.runId} of ${jobType} exists already, with another input: choose another key`,
    );
  }

  #checkDefinition({ definition }: Run): void {
    const { statechart, jobType } = this.#options;
    if (definition !== statechart.definitionHash) {
      throw new DefinitionChangedError(jobType, this.#held.runId, definition, statechart.definitionHash);
    }
  }

  async #goOn(begun: Run): Promise<HoldResult> {
    let run = begun;
    if (isFinal(run.snapshot)) this.#ended(run);
    while (!isFinal(run.snapshot)) {
      const stimulus = await this.#mailbox.take();
      if (stimulus === undefined) return this.#stopping ? 'stopped' : 'lost';
      const next = await this.#hear(run, stimulus);
      if (next === 'lost') return 'lost';
      run = next;
    }
    return 'final';
  }

  async #hear(current: Run, stimulus: Stimulus): Promise<Run | 'lost'> {
    let run = current;
    for (;;) {
      const decision = this.#decideNext(run, stimulus);
      if (decision === undefined) return run;
      const next = await this.#append(decision, run.sequence);
      if (next !== undefined) {
        this.#outside.perform(decision.effects);
        if (isFinal(next.snapshot)) this.#ended(next);
        return next;
      }
      // Invariant 2: the loser reloads. If somebody took the run over, it is not ours any more; else decide again.
      run = (await this.#load('exact'))!;
      if (run.lease.term !== this.#term) return 'lost';
      this.#outside.align(run.snapshot);
      if (isFinal(run.snapshot)) return run;
    }
  }

  /** A result that does not fit into the log is a failure of the activity, so that the statechart hears of it and the run can end. */
  #decideNext(run: Run, stimulus: Stimulus): Decision | undefined {
    const { statechart } = this.#options;
    try {
      return advanceRun(statechart, run, stimulus, this.#facts());
    } catch (error) {
      if (!(error instanceof SnapshotTooLargeError) || stimulus.kind !== 'activity') throw error;
      return advanceRun(statechart, run, activityFailed(stimulus.id, stimulus.visit, serializeError(error)), this.#facts());
    }
  }

  #ended({ jobType, snapshot, startedAt }: Run): void {
    this.#options.observer.ended(jobType, outcomeOf(snapshot) ?? '', this.#options.clock.now() - Date.parse(startedAt));
  }

  /** Undefined: somebody else appended first. */
  async #append(decision: Decision, expected: Sequence): Promise<Run | undefined> {
    const { jobType, runs } = this.#options;
    try {
      const sequence = await runs.append(jobType, this.#held.runId, decision.event.id, decision.bytes, expected);
      return runAfter(jobType, this.#held.runId, decision.event, decision.bytes, sequence);
    } catch (error) {
      if (error instanceof VersionConflictError) return undefined;
      throw error;
    }
  }

  async #load(read: 'fast' | 'exact'): Promise<Run | undefined> {
    const { jobType, runs } = this.#options;
    const last = await runs.last(jobType, this.#held.runId, read);
    return last && runAfter(jobType, this.#held.runId, last.event, last.bytes, last.sequence);
  }

  #facts(): Facts {
    const { clock, identity } = this.#options;
    const { command, delivery } = this.#held;
    return { eventId: identity.eventId(), at: clock.now(), source: identity.source, lease: { command, delivery, term: this.#term } };
  }
}
