/**
 * Signals: events from outside for one run, carried out by any process that knows the job type. It appends the transition and tells the
 * holder; if nobody holds the run, it gets a start command again. A signal ends as an event of its run or as a dead letter (invariant 6).
 */
import {
  type AlmanacError,
  InvalidCommandError,
  ReservedEventError,
  SnapshotTooLargeError,
  VersionConflictError,
} from '../domain/errors.ts';
import { type Instant, instant, isSafeToken, type RunId, type Sequence } from '../domain/ids.ts';
import type { Lane } from '../domain/job-type.ts';
import { advanceRun, cancelRun, type Decision, type Facts, NOBODY, type Run, runAfter, startRun } from '../domain/run.ts';
import { leaseMark } from '../domain/run-event.ts';
import type { RunPolicy } from '../domain/run-policy.ts';
import { CANCEL, parseSignal, type Signal } from '../domain/signal.ts';
import { acceptedEvents } from '../domain/statechart/accepted-events.ts';
import type { FoldableStatechart } from '../domain/statechart/fold.ts';
import { describeState, isFinal, outcomeOf } from '../domain/statechart/snapshot.ts';
import { concernsOthers, setWake, tellEnd } from './handover.ts';
import type { RunnableJobType } from './job-types.ts';
import type { Clock, CommandSender, Identity, Lease, LeaseSource, Refusals, RunHistory, RunLog, RunObserver } from './ports.ts';
import { stackOf } from './stack-of.ts';
import { type StartRequest, startRequestOf } from './start-request.ts';
import { bury, DEFAULT_TRIES, isRunProblem, REPLY_TO, retryDelayMs, type UnusableOptions } from './unusable.ts';

export interface SignalDeskOptions extends UnusableOptions {
  readonly runs: RunLog;
  readonly history: Pick<RunHistory, 'read'>;
  readonly leases: Pick<LeaseSource, 'exists' | 'findStart'>;
  readonly commands: CommandSender;
  readonly clock: Clock;
  readonly identity: Identity;
  readonly observer: RunObserver;
  readonly refusals: Refusals;
  readonly parkAfterMs: number;
  /** For runs that begin here. */
  readonly policy: RunPolicy;
}

/** Signals of one run are carried out in the order they came in. */
interface Queue {
  last: Promise<void>;
  /** As the last of them left it: thousands of reports to one parent need not load it thousands of times. Others may have moved it since. */
  remembered: Remembered | undefined;
  /** A start command that was there when one of them looked. */
  command: number | undefined;
}

interface Remembered {
  readonly run: Run;
  /** What signals the run has heard from then on is known: these. */
  readonly since: Instant;
  readonly heard: Set<number>;
}

interface Known {
  readonly run: Run;
  /** Its last event. */
  readonly storedAt: Instant;
}

interface Applied {
  readonly run: Run;
  /** As it was; undefined: another delivery of the signal was carried out. */
  readonly before: Run | undefined;
}

/** Of two processes with many signals for one run, one goes on without looking, and the other would lose again and again: it waits a little. */
const MOST_YIELDED_MS = 32;
/** The two streams may be led by two servers of a cluster, each with its own clock. */
const CLOCKS_APART_MS = 1_000;

export class SignalDesk {
  readonly #options: SignalDeskOptions;
  readonly #jobType: RunnableJobType;
  readonly #queues = new Map<RunId, Queue>();

  constructor(options: SignalDeskOptions, jobType: RunnableJobType) {
    this.#options = options;
    this.#jobType = jobType;
  }

  /** Settles the lease. */
  async hear(lease: Lease): Promise<void> {
    const runId = lease.subject.split('.')[3] as RunId;
    const queue = this.#queues.get(runId) ?? { last: Promise.resolve(), remembered: undefined, command: undefined };
    this.#queues.set(runId, queue);
    const turn = queue.last.then(() => this.#carryOut(runId, lease, queue));
    queue.last = turn;
    await turn;
    if (queue.last === turn) this.#queues.delete(runId);
  }

  async #carryOut(runId: RunId, lease: Lease, queue: Queue): Promise<void> {
    const { announcer, log } = this.#options;
    let signal: Signal | undefined;
    try {
      if (!isSafeToken(runId)) throw noRunId(lease.subject);
      signal = parseSignal(lease.body);
      const { run, before } = await this.#apply(runId, signal, lease, queue);
      await this.#leave(run, before, queue);
      lease.acknowledge();
      const replyTo = lease.headers[REPLY_TO];
      if (replyTo !== undefined)
        announcer.accept(replyTo, { state: describeState(run.snapshot.value), outcome: outcomeOf(run.snapshot) ?? null });
    } catch (error) {
      if (error instanceof InvalidCommandError && signal?.optional) return lease.acknowledge();
      if (error instanceof InvalidCommandError || (isRunProblem(error) && lease.delivery >= DEFAULT_TRIES))
        return this.#refuse(runId, lease, error);
      log.error({ err: error, subject: lease.subject, command: lease.command }, 'a signal could not be carried out; trying again');
      lease.handBack(retryDelayMs(lease.delivery));
    }
  }

  async #refuse(runId: RunId, lease: Lease, error: AlmanacError): Promise<void> {
    const { code, message } = error;
    this.#options.log.warn({ subject: lease.subject, command: lease.command, code, reason: message }, 'a signal is refused');
    const stack = error instanceof InvalidCommandError ? undefined : stackOf(error);
    const of = isSafeToken(runId) ? runId : undefined;
    await bury(this.#options, lease, { origin: 'signal', jobType: this.#jobType.id, runId: of, code, reason: message, stack });
  }

  /** To the state of the run with the signal in it. */
  async #apply(runId: RunId, signal: Signal, lease: Lease, queue: Queue): Promise<Applied> {
    const { command, publishedAt } = lease;
    const since = instant(Math.max(0, publishedAt - CLOCKS_APART_MS));
    for (let lost = 0; ; ) {
      const remembered = queue.remembered !== undefined && queue.remembered.since <= since ? queue.remembered : undefined;
      queue.remembered = undefined;
      const { run, heard } = remembered ?? (await this.#recall(runId, signal, lease, since));
      if (heard.has(command)) return { run, before: undefined };
      await this.#refuseAgain(runId, signal, lease);
      const decision = this.#decide(run, signal, lease);
      if ('refusal' in decision) {
        if (remembered !== undefined) continue;
        throw decision.refusal;
      }
      const moved = await this.#append(run, decision);
      if (moved === undefined) {
        await yieldFor(Math.random() * Math.min(MOST_YIELDED_MS, 2 ** ++lost));
        continue;
      }
      if (isFinal(moved.snapshot)) this.#ended(moved);
      heard.add(command);
      queue.remembered = { run: moved, since: remembered?.since ?? since, heard };
      return { run: moved, before: run };
    }
  }

  /** @throws {InvalidCommandError} Nobody outside may send such an event, or the run cannot keep what it says. */
  #decide(run: Run, { event, actor }: Signal, lease: Lease): Decision | { readonly refusal: InvalidCommandError } {
    if (isFinal(run.snapshot)) {
      const ended = `run ${run.runId} of ${run.jobType} has ended as ${outcomeOf(run.snapshot)}`;
      return { refusal: new InvalidCommandError('RUN_FINISHED', `${ended}: ${event.type} comes too late`) };
    }
    const statechart = this.#jobType.registered.get(run.definition)?.statechart;
    const mark = run.parked === undefined ? run.lease : { ...run.lease, command: NOBODY, delivery: 0 };
    const facts = { ...this.#facts(mark), command: lease.command, actor };
    const decision = statechart && heard(statechart, run, event, facts);
    if (decision !== undefined) return decision;
    if (event.type === CANCEL) return cancelRun(run, facts);
    const accepted = statechart ? acceptedEvents(statechart, run.snapshot) : [];
    const why = statechart ? refusalOf(event.type, run, accepted) : 'began on another definition, which is not known here';
    const listensTo = [...new Set([...accepted, CANCEL])].join(', ');
    return { refusal: new InvalidCommandError('EVENT_REFUSED', `run ${run.runId} of ${run.jobType} ${why}; it listens to: ${listensTo}`) };
  }

  /**
   * A run whose start command still waits has no history. It begins here, without any effect: whoever gets the command then takes it over,
   * with the signal in it. Or it has begun since we looked, and its command may be gone.
   */
  async #startQueued(runId: RunId): Promise<Known | undefined> {
    const { id, statechart } = this.#jobType;
    let request: StartRequest | undefined;
    const command = await this.#options.leases.findStart(
      id,
      (queued) => {
        try {
          request = startRequestOf(this.#jobType, queued);
        } catch {
          return undefined; // it will be refused in its turn
        }
        return request.again === undefined ? request.runId : undefined;
      },
      runId,
    );
    if (command === undefined || request === undefined) return this.#load(runId);
    const traceparent = request.traceparent ?? this.#options.identity.traceparent();
    const mark = leaseMark({ command: command.command, delivery: 0, term: 0, lane: command.subject.split('.')[3] as Lane });
    const facts = { ...this.#facts(mark), actor: request.actor };
    const input = request.parse(request.input);
    const decision = startRun(statechart, { ...request, input, jobType: id, policy: this.#options.policy, traceparent }, facts);
    await this.#append({ jobType: id, runId, sequence: 0 as Sequence }, decision);
    return this.#load(runId);
  }

  /** A delivery of the signal may have been refused, and its acknowledgement lost. Then it stays so, whatever has become of the run since. */
  async #refuseAgain(runId: RunId, { event: { type }, optional }: Signal, { command, publishedAt }: Lease): Promise<void> {
    const { id } = this.#jobType;
    if (optional || !(await this.#options.refusals.has(id, command, publishedAt))) return;
    throw new InvalidCommandError('EVENT_REFUSED', `${type} was refused by run ${runId} of ${id} before`);
  }

  /**
   * The run, and what it has heard since the signal was sent. Another delivery of it may have got as far as the log, though ours is the first
   * one: this process was stopped for a while, or the server crashed and counts from one again.
   *
   * @throws {InvalidCommandError} There is no such run, or it has begun anew since: the signal was for its earlier life.
   */
  async #recall(runId: RunId, { event: { type } }: Signal, lease: Lease, since: Instant): Promise<Remembered> {
    const { id: jobType } = this.#jobType;
    const known = (await this.#load(runId)) ?? (await this.#startQueued(runId));
    if (known === undefined) throw new InvalidCommandError('RUN_UNKNOWN', `there is no run ${runId} of ${jobType}`);
    const heard = new Set<number>();
    let begunAnew = false;
    if (lease.delivery > 1 || known.storedAt >= since) {
      await this.#options.history.read({ jobType, runId, since }, ({ event, storedAt }) => {
        const { cause } = event.data;
        if ('command' in cause) heard.add(cause.command);
        begunAnew ||= event.type === 'almanac.run.restarted' && storedAt >= lease.publishedAt;
        return undefined;
      });
    }
    if (begunAnew && !heard.has(lease.command)) {
      const ended = `run ${runId} of ${jobType} has ended and has begun anew since`;
      throw new InvalidCommandError('RUN_FINISHED', `${ended}: ${type} comes too late`);
    }
    return { run: known.run, since, heard };
  }

  /** Nobody may have to find out by chance what the signal led to. */
  async #leave(run: Run, before: Run | undefined, queue: Queue): Promise<void> {
    const { commands, announcer, leases, clock } = this.#options;
    const { lease } = run;
    if (isFinal(run.snapshot)) {
      if (concernsOthers(run)) await tellEnd(this.#options, run);
    } else if (before !== undefined && isNobodys(before) && before.parked?.until === run.parked?.until) {
      return; // needs the same as before: whoever led there sees to it
    } else if (lease.command === NOBODY) {
      if (run.parked !== undefined) await setWake(this.#options, run, clock.now());
      else await commands.again(run, 'continue', { lane: lease.lane });
      return;
    } else if (queue.command !== lease.command) {
      if (!(await leases.exists(lease.command))) {
        await commands.again(run, 'continue', { lane: lease.lane });
        return;
      }
      queue.command = lease.command;
    }
    announcer.moved(run);
  }

  /** Undefined: somebody else appended first. */
  async #append({ jobType, runId, sequence }: Pick<Run, 'jobType' | 'runId' | 'sequence'>, decision: Decision): Promise<Run | undefined> {
    const { event, bytes } = decision;
    try {
      const stored = await this.#options.runs.append(jobType, runId, event.id, bytes, sequence);
      return runAfter(jobType, runId, event, bytes, stored);
    } catch (error) {
      if (error instanceof VersionConflictError) return undefined;
      throw error;
    }
  }

  async #load(runId: RunId): Promise<Known | undefined> {
    const { id } = this.#jobType;
    const last = await this.#options.runs.last(id, runId, 'exact');
    return last && { run: runAfter(id, runId, last.event, last.bytes, last.sequence), storedAt: last.storedAt };
  }

  #ended({ jobType, snapshot, startedAt }: Run): void {
    this.#options.observer.ended(jobType, outcomeOf(snapshot) ?? '', this.#options.clock.now() - Date.parse(startedAt));
  }

  #facts(lease: Facts['lease']): Facts {
    const { clock, identity, parkAfterMs } = this.#options;
    return { eventId: identity.eventId(), at: clock.now(), source: identity.source, lease, parkAfterMs };
  }
}

function heard(statechart: FoldableStatechart, run: Run, event: Signal['event'], facts: Facts): Decision | undefined {
  try {
    return advanceRun(statechart, run, { kind: 'event', event }, facts);
  } catch (error) {
    if (error instanceof ReservedEventError) throw new InvalidCommandError('EVENT_REFUSED', error.message, { cause: error });
    if (error instanceof SnapshotTooLargeError) throw new InvalidCommandError('COMMAND_TOO_LARGE', error.message, { cause: error });
    throw error;
  }
}

const refusalOf = (type: string, { snapshot }: Run, accepted: readonly string[]): string =>
  accepted.includes(type)
    ? `refuses '${type}' in state ${describeState(snapshot.value)}, by a guard of its statechart`
    : `does not listen to '${type}' in state ${describeState(snapshot.value)}`;

/** Wildcards among it: looked up in the log, they would find the run of somebody else. */
const noRunId = (subject: string) =>
  new InvalidCommandError(
    'COMMAND_SUBJECT_UNKNOWN',
    `${subject} names no run: the last part must be a run id, of lower-case letters, digits, "-" and "_"`,
  );

const isNobodys = ({ parked, lease }: Run): boolean => parked !== undefined || lease.command === NOBODY;

const yieldFor = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
