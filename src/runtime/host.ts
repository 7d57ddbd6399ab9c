/**
 * From leases to runs: parses what was asked for, holds the run until it ends, settles the lease. Every command ends as a run event or as
 * a dead letter (invariant 6).
 */
import {
  type AlmanacError,
  CorruptEventError,
  DefinitionChangedError,
  InvalidCommandError,
  SnapshotMismatchError,
  SnapshotTooLargeError,
  StatechartCodeError,
} from '../domain/errors.ts';
import type { JobTypeId, RunId } from '../domain/ids.ts';
import type { Lane } from '../domain/job-type.ts';
import { PARK_AFTER_MS } from '../domain/parking.ts';
import { concernsOthers, setWake, tellEnd, tellRefusal } from './handover.ts';
import { Holder, type HoldResult } from './holder.ts';
import type { RunnableJobType } from './job-types.ts';
import type {
  Announcer,
  Clock,
  CommandSender,
  DeadLetters,
  Identity,
  Lease,
  LeaseFeed,
  LeaseSource,
  Log,
  RunHistory,
  RunLog,
  RunNews,
  RunObserver,
} from './ports.ts';
import { SignalDesk } from './signal-desk.ts';
import { stackOf } from './stack-of.ts';
import { type StartRequest, startRequestOf } from './start-request.ts';
import { bury, DEFAULT_TRIES, retryDelayMs } from './unusable.ts';
import { Waker } from './waker.ts';

export interface HostOptions {
  readonly jobTypes: readonly RunnableJobType[];
  readonly leases: LeaseSource;
  readonly runs: RunLog;
  readonly history: Pick<RunHistory, 'read'>;
  readonly commands: CommandSender;
  readonly news: RunNews;
  readonly deadLetters: DeadLetters;
  readonly announcer: Announcer;
  readonly clock: Clock;
  readonly identity: Identity;
  readonly observer: RunObserver;
  readonly log: Log;
  /** Runs of one job type at once in this process. @default 100 */
  readonly slots?: number;
  /** After so many deliveries of its command, a run that its own code keeps from going on is laid aside. @default 8, about two minutes */
  readonly triesBeforeSuspending?: number;
  /** A run that only waits, for at least so long, is held by nobody meanwhile. @default 5 seconds */
  readonly parkAfterMs?: number;
  /** How long an activity that was told to stop may take; then it is left behind. @default 10 seconds */
  readonly activityGraceMs?: number;
  /** How long runs may go on while the process stops: short work ends here, long work moves. @default 500 */
  readonly stopGraceMs?: number;
}

export const DEFAULT_CONCURRENCY = 16;
const DEFAULT_SLOTS = 100;
const DEFAULT_ACTIVITY_GRACE_MS = 10_000;
const DEFAULT_STOP_GRACE_MS = 500;
/** Signals and wakes take a moment each. */
const SIGNALS_AT_ONCE = 64;
const WAKES_AT_ONCE = 256;

interface HeldLease {
  readonly jobType: JobTypeId;
  readonly runId: RunId;
  readonly lease: Lease;
  readonly holder: Holder;
  readonly released: Promise<void>;
}

export class Host {
  readonly #options: HostOptions;
  readonly #feeds: LeaseFeed[] = [];
  /** By command. */
  readonly #held = new Map<number, HeldLease>();
  /** A later delivery of their command has come to us. */
  readonly #superseded = new WeakSet<Lease>();
  #heartbeat: NodeJS.Timeout | undefined;
  #news: { stop(): void } | undefined;
  #stopping = false;

  constructor(options: HostOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { jobTypes, leases, news, slots = DEFAULT_SLOTS, parkAfterMs = PARK_AFTER_MS } = this.#options;
    this.#heartbeat = setInterval(() => this.#extendAll(), leases.leaseMs / 3);
    this.#news = news.listen(
      (run) => this.#moved((held) => held.runId === run.runId && held.jobType === run.jobType),
      () => this.#moved(() => true),
    );
    const options = { ...this.#options, parkAfterMs };
    for (const jobType of jobTypes) {
      const concurrency = jobType.definition.concurrency ?? DEFAULT_CONCURRENCY;
      const lane = 'normal';
      this.#feeds.push(
        await leases.open({
          commands: { kind: 'start', jobType: jobType.id, lane },
          slots: Math.min(slots, concurrency),
          concurrency,
          onLease: (lease) => this.#onLease(jobType, lane, lease),
        }),
      );
      const desk = new SignalDesk(options, jobType);
      const onLease = (lease: Lease) => desk.hear(lease);
      this.#feeds.push(await leases.open({ commands: { kind: 'signal', jobType: jobType.id }, slots: SIGNALS_AT_ONCE, onLease }));
    }
    const waker = new Waker(this.#options);
    this.#feeds.push(await leases.open({ commands: { kind: 'wake' }, slots: WAKES_AT_ONCE, onLease: (lease) => waker.wake(lease) }));
  }

  /**
   * Pulls nothing more and lets short work end; what goes on after the grace is stopped. Every lease is handed back as soon as its run
   * stands still, so that another process goes on without waiting.
   */
  async stop(): Promise<void> {
    this.#stopping = true;
    const fed = Promise.all(this.#feeds.map((feed) => feed.stop()));
    await this.#graceOver();
    for (const { holder } of this.#held.values()) holder.stop();
    await Promise.all([fed, ...this.#releases()]);
    this.#news?.stop();
    clearInterval(this.#heartbeat);
  }

  async #graceOver(): Promise<void> {
    const { stopGraceMs = DEFAULT_STOP_GRACE_MS } = this.#options;
    const { promise: over, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, stopGraceMs);
    await Promise.race([over, Promise.all(this.#releases())]);
    clearTimeout(timer);
  }

  #releases(): Promise<void>[] {
    return [...this.#held.values()].map(({ released }) => released);
  }

  #extendAll(): void {
    for (const { lease, holder } of this.#held.values()) if (!holder.lost) lease.extend();
  }

  #moved(concerns: (held: HeldLease) => boolean): void {
    for (const held of this.#held.values()) if (concerns(held)) held.holder.moved();
  }

  async #onLease(jobType: RunnableJobType, lane: Lane, lease: Lease): Promise<void> {
    if (this.#stopping) return lease.handBack(0);
    let request: StartRequest;
    try {
      request = startRequestOf(jobType, lease);
    } catch (error) {
      if (error instanceof InvalidCommandError) return this.#reject(jobType.id, lease, error);
      return this.#holdBack(jobType.id, lease, error); // the input schema's own code threw
    }
    for (let other = this.#held.get(lease.command); other !== undefined; other = this.#held.get(lease.command)) {
      if (other.lease.delivery >= lease.delivery) return; // overtaken by a later delivery while it waited here
      await this.#release(other);
    }
    if (this.#stopping) return lease.handBack(0);
    const { leases, parkAfterMs = PARK_AFTER_MS, activityGraceMs = DEFAULT_ACTIVITY_GRACE_MS, ...rest } = this.#options;
    const { id, statechart, activities } = jobType;
    const holder = new Holder(
      { ...rest, jobType: id, statechart, activities, commandExists: leases.exists, parkAfterMs, activityGraceMs },
      {
        ...request,
        traceparent: request.traceparent ?? rest.identity.traceparent(),
        lane,
        command: lease.command,
        delivery: lease.delivery,
      },
    );
    const released = this.#hold(id, request.runId, lease, holder);
    this.#held.set(lease.command, { jobType: id, runId: request.runId, lease, holder, released });
    await released;
  }

  /** A lease of ours ran out, and its command was delivered to us again: what we still do for the earlier delivery stops first. */
  async #release({ lease, holder, released }: HeldLease): Promise<void> {
    this.#superseded.add(lease);
    holder.stop();
    await released;
  }

  async #hold(jobType: JobTypeId, runId: RunId, lease: Lease, holder: Holder): Promise<void> {
    const { triesBeforeSuspending = DEFAULT_TRIES } = this.#options;
    try {
      await this.#settle(lease, await holder.hold());
    } catch (error) {
      if (error instanceof InvalidCommandError) await this.#reject(jobType, lease, error);
      else if (isRunProblem(error) && lease.delivery >= triesBeforeSuspending) await this.#suspend(jobType, runId, lease, error);
      else this.#holdBack(jobType, lease, error);
    } finally {
      this.#held.delete(lease.command);
    }
  }

  #holdBack(jobType: JobTypeId, lease: Lease, err: unknown): void {
    const { observer, log } = this.#options;
    const { subject, command, delivery } = lease;
    const delayMs = retryDelayMs(delivery);
    observer.heldBack(jobType);
    log.error({ err, jobType, subject, command, delivery, delayMs }, 'the run cannot go on now; its lease goes back');
    this.#handBack(lease, delayMs);
  }

  /** The server knows commands, not deliveries: handing an old delivery back would take the command from whoever holds the new one. */
  #handBack(lease: Lease, delayMs: number): void {
    if (!this.#superseded.has(lease)) lease.handBack(delayMs);
  }

  async #settle(lease: Lease, result: HoldResult): Promise<void> {
    switch (result.end) {
      case 'final':
        if (concernsOthers(result.run)) await tellEnd(this.#options, result.run, result.stack);
        lease.acknowledge();
        break;
      case 'parked':
        await setWake(this.#options, result.run, this.#options.clock.now());
        lease.acknowledge();
        break;
      case 'duplicate':
        lease.acknowledge();
        break;
      case 'stopped':
        this.#handBack(lease, 0);
        break;
      case 'lost': // a later delivery of the same command exists, and only its holder may settle it
        break;
    }
  }

  async #reject(jobType: JobTypeId, lease: Lease, { code, message }: InvalidCommandError): Promise<void> {
    const { subject, command } = lease;
    this.#options.log.warn({ subject, command, code, reason: message }, 'a start command is refused and becomes a dead letter');
    try {
      await tellRefusal(this.#options, jobType, lease, message);
    } catch (error) {
      return this.#holdBack(jobType, lease, error);
    }
    await bury(this.#options, lease, { origin: 'command', jobType, code, reason: message });
  }

  /**
   * The run stays in the log as it is, and its command becomes a dead letter: a command that is handed back for ever keeps its place among
   * those that may run at once, so that one broken run would stop every later one. Sending the command again continues the run.
   */
  async #suspend(jobType: JobTypeId, runId: RunId, lease: Lease, error: AlmanacError): Promise<void> {
    const { observer, log } = this.#options;
    observer.heldBack(jobType);
    log.error(
      { err: error, jobType, runId, command: lease.command },
      'the run cannot go on and is laid aside; its command is a dead letter',
    );
    await bury(this.#options, lease, { origin: 'run', jobType, runId, code: error.code, reason: error.message, stack: stackOf(error) });
  }
}

/** What no waiting will mend; everything else (the log, the network) may pass. */
const RUN_PROBLEMS = [
  StatechartCodeError,
  DefinitionChangedError,
  SnapshotTooLargeError,
  SnapshotMismatchError,
  CorruptEventError,
] as const;
const isRunProblem = (error: unknown): error is AlmanacError => RUN_PROBLEMS.some((kind) => error instanceof kind);
