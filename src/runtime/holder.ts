/**
 * Holding one run: from a lease to the run's end, or to where it only waits. Decide, append, act, in this order (invariants 1 to 4).
 */
import { isDeepStrictEqual } from 'node:util';
import { InvalidCommandError, SnapshotTooLargeError, VersionConflictError } from '../domain/errors.ts';
import type { Instant, JobTypeId, Sequence } from '../domain/ids.ts';
import type { Lane } from '../domain/job-type.ts';
import { isFailure } from '../domain/outcome.ts';
import { isAsleep } from '../domain/parking.ts';
import { advanceRun, type Decision, type Facts, NOBODY, type Run, restartRun, resumeRun, runAfter, startRun } from '../domain/run.ts';
import { type Actor, type LeaseMark, leaseMark, type RunEventData } from '../domain/run-event.ts';
import type { RunPolicy } from '../domain/run-policy.ts';
import { serializeError } from '../domain/statechart/serialized-error.ts';
import { isFinal, outcomeOf } from '../domain/statechart/snapshot.ts';
import { activityFailed, type Stimulus } from '../domain/statechart/stimulus.ts';
import type { RunnableDefinition, RunnableJobType } from './job-types.ts';
import { Mailbox } from './mailbox.ts';
import { Outside } from './outside.ts';
import type { Announcer, Clock, CommandSender, Identity, Log, RunLog, RunObserver } from './ports.ts';
import type { StartRequest } from './start-request.ts';

export interface HolderOptions extends Pick<RunnableJobType, 'definitions' | 'registered' | 'statechart' | 'activities'> {
  readonly jobType: JobTypeId;
  /** For a run that begins here; one that has begun keeps its own. */
  readonly policy: RunPolicy;
  readonly runs: RunLog;
  readonly clock: Clock;
  readonly identity: Identity;
  readonly announcer: Announcer;
  readonly commands: CommandSender;
  readonly observer: RunObserver;
  readonly log: Log;
  /** Whether a start command is still waiting or held; tells a duplicate from an orphan. */
  readonly commandExists: (command: number) => Promise<boolean>;
  /** As of `parkedOf`. */
  readonly parkAfterMs: number;
  /** How long an activity that was told to stop may take. */
  readonly activityGraceMs: number;
  /** Of a job type with a rate: whether a new run may begin, or when to ask again. */
  readonly turn?: () => Promise<{ waitMs: number }>;
}

export interface Held extends StartRequest {
  readonly lane: Lane;
  readonly command: number;
  readonly delivery: number;
  /** Of the event by which an earlier delivery of the command was lost here: this one was sent after that event was stored. */
  readonly lostTo?: Sequence | undefined;
}

/**
 * - `final`: the run has ended, by this command.
 * - `parked`: the run only waits; whoever is told that wakes it.
 * - `asleep`: the run is parked, and by our clock its time has not come.
 * - `duplicate`: another command owned the run and ended it, goes on with it, or has parked it.
 * - `lost`: another process holds the run by the same command; or so it seems, for it had a later delivery, by the event `to`.
 * - `stopped`: this process is to stop; the run goes on elsewhere.
 * - `not yet`: the rate of the job type lets no run begin yet.
 */
export type HoldResult =
  | { readonly end: 'final' | 'parked'; readonly run: Run; readonly stack: string | undefined }
  | { readonly end: 'asleep'; readonly run: Run }
  | { readonly end: 'lost'; readonly to?: Sequence }
  | { readonly end: 'duplicate' | 'stopped' }
  | { readonly end: 'not yet'; readonly waitMs: number };

const NO_EVENT = 0 as Sequence;
const DUPLICATE = { end: 'duplicate' } as const;
const LOST = { end: 'lost' } as const;
const STOPPED = { end: 'stopped' } as const;

export class Holder {
  readonly #options: HolderOptions;
  readonly #held: Held;
  readonly #mailbox = new Mailbox();
  readonly #outside: Outside;
  /** Where the run starts, or what it is on already. */
  #on: RunnableDefinition;
  #stopping = false;
  #lost = false;
  /** Of ours, once we have started the run or taken it over. */
  #term = 1;

  constructor(options: HolderOptions, held: Held) {
    this.#options = options;
    this.#held = held;
    this.#on = options;
    const { jobType, clock, announcer, commands, log, activityGraceMs } = options;
    const activities = () => this.#on.activities;
    this.#outside = new Outside({
      jobType,
      runId: held.runId,
      activities,
      mailbox: this.#mailbox,
      clock,
      announcer,
      commands,
      log,
      activityGraceMs,
    });
  }

  /**
   * @throws {InvalidCommandError} The first event of the run would be too large, the run exists with another input, or it does not exist
   * and is expected to, or it is too late for it to begin.
   * @throws {StatechartCodeError} The statechart's own code threw: nothing was appended, a fixed deployment continues the run.
   * @throws {DefinitionChangedError} The run is on a definition that is not registered: nothing was appended (invariant 9).
   * @throws {AdoptionRefusedError} The mapping from its definition does not fit its state: nothing was appended.
   * @throws {StorageRefusedError} The log takes no events at the moment: try later.
   */
  async hold(): Promise<HoldResult> {
    try {
      const begun = await this.#begin();
      const result = 'end' in begun ? begun : await this.#goOn(begun);
      this.#lost = result.end === 'lost';
      return result;
    } finally {
      this.#mailbox.close();
      await this.#outside.stop('the run is not held here any more');
    }
  }

  /** The run is somebody else's, though an activity of ours may take its time to stop. */
  get lost(): boolean {
    return this.#lost;
  }

  /** Stops activities and lets `hold()` return, with the run wherever it is. */
  stop(): void {
    this.#stopping = true;
    this.#mailbox.close();
  }

  /** Somebody else may have appended to the run: look. */
  moved(): void {
    this.#mailbox.put('moved');
  }

  /** The first delivery of a command meets no run, as a rule: so append first, and look only when that is refused (invariant 5). */
  async #begin(): Promise<Run | HoldResult> {
    const { turn } = this.#options;
    const { again, delivery, runId } = this.#held;
    if (again !== undefined || delivery > 1 || turn !== undefined) {
      const known = await this.#load(again === undefined ? 'fast' : 'exact');
      if (known !== undefined) return this.#takeOver(known);
      if (again !== undefined) throw new InvalidCommandError('RUN_UNKNOWN', `there is no run ${runId} of ${this.#options.jobType}`);
    }
    let decision: Decision;
    try {
      decision = this.#decideStart();
    } catch (error) {
      const known = error instanceof InvalidCommandError ? await this.#load('exact') : undefined;
      if (known === undefined) throw error;
      return this.#takeOver(known); // what is refused today, or comes too late, the run may have begun with in time
    }
    if (turn !== undefined) {
      const { waitMs } = await turn();
      if (waitMs > 0) return { end: 'not yet', waitMs };
    }
    const run = await this.#append(decision, NO_EVENT);
    if (run === undefined) return this.#takeOver((await this.#load('exact'))!);
    this.#options.observer.started(run.jobType);
    this.#outside.perform(decision.effects);
    return run;
  }

  #decideStart(): Decision {
    const { statechart, jobType, policy, clock } = this.#options;
    const { runId, startBy } = this.#held;
    if (startBy !== undefined && clock.now() > startBy) {
      const late = `run ${runId} of ${jobType} was to begin by ${new Date(startBy).toISOString()}, and did not`;
      throw new InvalidCommandError('QUEUE_TIMEOUT', `${late}: send a new command if it is still wanted`);
    }
    try {
      const input = this.#held.parse(this.#held.input);
      return startRun(statechart, { ...this.#held, input, jobType, policy }, this.#facts(this.#held.actor));
    } catch (error) {
      if (!(error instanceof SnapshotTooLargeError)) throw error;
      throw new InvalidCommandError('COMMAND_TOO_LARGE', error.message, { cause: error }); // there is no run that could fail
    }
  }

  /** The run exists already. */
  async #takeOver(run: Run): Promise<Run | HoldResult> {
    const { command, delivery, again, lostTo } = this.#held;
    let known = run;
    if (known.lease.command !== command && again === undefined) await this.#checkInput();
    for (;;) {
      const ours = known.lease.command === command;
      if (isFinal(known.snapshot)) {
        if (ours) return this.#end('final', known);
        if (again !== 'restart' || !isFailure(outcomeOf(known.snapshot) ?? '')) return DUPLICATE; // whoever ended it has told
        this.#term = known.lease.term + 1;
        const restarted = await this.#restart(known);
        if (restarted !== undefined) return restarted;
      } else {
        if (known.parked !== undefined) {
          // Whoever held it when it was parked has set its wake. One that a signal began before its command was taken, nobody has held.
          if (!ours && again === undefined && known.lease.command !== NOBODY) return DUPLICATE;
          // Clocks differ: one that is about to wake is held until it does.
          if (isAsleep(known.parked, (this.#options.clock.now() + this.#options.parkAfterMs) as Instant))
            return { end: 'asleep', run: known };
        } else if (!ours) {
          if (known.lease.command !== NOBODY && (await this.#options.commandExists(known.lease.command))) return DUPLICATE;
        } else if (known.lease.delivery > delivery && known.sequence !== lostTo) {
          // Unless the server has forgotten its counts in a crash: then it delivers the command again, and this is still the last event.
          return { end: 'lost', to: known.sequence };
        }
        this.#term = known.lease.term + 1;
        const taken = await this.#append(this.#decideTakeOver(known), known.sequence);
        if (taken !== undefined) {
          this.#outside.align(taken.snapshot);
          return taken;
        }
      }
      known = (await this.#load('exact'))!;
    }
  }

  /** A run that has ended otherwise than well begins anew, in the same history. Undefined: somebody else appended first. */
  async #restart(known: Run): Promise<Run | undefined> {
    const { jobType, runs, statechart, policy, observer } = this.#options;
    const first = await runs.first(jobType, this.#held.runId);
    const input = this.#held.parse(first?.event.data.input);
    const decision = restartRun(statechart, known, { input, policy }, this.#facts(this.#held.actor));
    const run = await this.#append(decision, known.sequence);
    if (run === undefined) return undefined;
    observer.started(jobType);
    this.#outside.perform(decision.effects);
    return run;
  }

  /** Another command for the run. Meaning the same it becomes nothing; asking for something else it must not vanish (invariant 6). */
  async #checkInput(): Promise<void> {
    const { jobType, runs } = this.#options;
    const first = await runs.first(jobType, this.#held.runId);
    if (first === undefined || this.#asksFor(first.event.data)) return;
    throw new InvalidCommandError(
      'KEY_REUSED',
      `run ${this.#held.runId} of ${jobType} exists already, with another input: choose another key`,
    );
  }

  /** @throws {InvalidCommandError} The command's input is neither that of the run, nor one the job type takes. */
  #asksFor({ input: begunWith, definition }: Pick<RunEventData, 'input' | 'definition'>): boolean {
    const { input, parse } = this.#held;
    const changed = definition !== this.#options.statechart.definitionHash;
    if (changed && isDeepStrictEqual(begunWith, input ?? {})) return true;
    const wanted = parse(input);
    // A changed job type may have got new defaults.
    return isDeepStrictEqual(begunWith, wanted) || (changed && isDeepStrictEqual(this.#parsed(begunWith), wanted));
  }

  /** Undefined: nothing that the job type takes today. */
  #parsed(input: unknown): unknown {
    try {
      return this.#held.parse(input);
    } catch (error) {
      if (error instanceof InvalidCommandError) return undefined;
      throw error;
    }
  }

  /** In flight keeps its definition while that is registered; else it is adopted by the newest, or refused (invariant 9). */
  #decideTakeOver(run: Run): Decision {
    const { registered, definitions } = this.#options;
    const own = registered.get(run.definition);
    this.#on = own ?? this.#options;
    return own === undefined ? definitions.adopt(run, this.#facts()) : resumeRun(run, this.#facts());
  }

  async #goOn(begun: Run): Promise<HoldResult> {
    let run = begun;
    if (isFinal(run.snapshot)) this.#ended(run);
    while (!isFinal(run.snapshot)) {
      if (run.parked !== undefined) return this.#end('parked', run);
      const heard = await this.#mailbox.take();
      if (heard === undefined) return this.#stopping ? STOPPED : LOST;
      const next = heard === 'moved' ? await this.#reload() : await this.#hear(run, heard);
      if (next === undefined) return LOST;
      run = next;
    }
    return this.#end('final', run);
  }

  /** Undefined: the run is not ours any more. */
  async #hear(current: Run, stimulus: Stimulus): Promise<Run | undefined> {
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
      // Invariant 2: the loser reloads and decides again.
      const reloaded = await this.#reload();
      if (reloaded === undefined || isFinal(reloaded.snapshot)) return reloaded;
      run = reloaded;
    }
  }

  /** As {@link #hear}. A signal leaves the run with its holder; whoever takes it over writes another lease. */
  async #reload(): Promise<Run | undefined> {
    const run = (await this.#load('exact'))!;
    const { command, term } = run.lease;
    if (command !== this.#held.command || term !== this.#term) return undefined;
    this.#outside.align(run.snapshot);
    return run;
  }

  /** A result that does not fit into the log is a failure of the activity, so that the statechart hears of it and the run can end. */
  #decideNext(run: Run, stimulus: Stimulus): Decision | undefined {
    const { statechart } = this.#on;
    try {
      return advanceRun(statechart, run, stimulus, this.#facts());
    } catch (error) {
      if (!(error instanceof SnapshotTooLargeError) || stimulus.kind !== 'activity') throw error;
      return advanceRun(statechart, run, activityFailed(stimulus.id, stimulus.visit, serializeError(error)), this.#facts());
    }
  }

  #end(end: 'final' | 'parked', run: Run): HoldResult {
    return { end, run, stack: this.#outside.lastStack };
  }

  #ended({ jobType, snapshot, startedAt }: Run): void {
    this.#options.observer.ended(jobType, outcomeOf(snapshot) ?? '', this.#options.clock.now() - Date.parse(startedAt));
  }

  /** Undefined: somebody else appended first. */
  async #append(decision: Decision, expected: Sequence): Promise<Run | undefined> {
    const { jobType, runs } = this.#options;
    try {
      const sequence = await runs.append(jobType, this.#held.runId, decision.event.id, decision.bytes, expected);
      const run = runAfter(jobType, this.#held.runId, decision.event, decision.bytes, sequence);
      this.#outside.traceparent = run.traceparent; // of the first command, whichever it is that we hold
      return run;
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

  #facts(actor?: Actor): Facts {
    const { clock, identity, parkAfterMs } = this.#options;
    return { eventId: identity.eventId(), at: clock.now(), source: identity.source, lease: this.#mark(), actor, parkAfterMs };
  }

  #mark(): LeaseMark {
    const { command, delivery, lane } = this.#held;
    return leaseMark({ command, delivery, term: this.#term, lane });
  }
}
