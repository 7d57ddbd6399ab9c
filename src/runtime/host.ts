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
import { type Lane, laneLimits } from '../domain/job-type.ts';
import { parseInput, parseStartCommand } from '../domain/start-command.ts';
import { Holder, type HoldResult } from './holder.ts';
import type { RunnableJobType } from './job-types.ts';
import type {
  Announcer,
  Clock,
  DeadLetter,
  DeadLetters,
  Identity,
  Lease,
  LeaseFeed,
  LeaseSource,
  Log,
  RateLimiter,
  RunLog,
  RunObserver,
} from './ports.ts';
import { RetiredLanes } from './retired-lanes.ts';
import { type FeedSlots, SlotPool } from './slot-pool.ts';

export interface HostOptions {
  readonly jobTypes: readonly RunnableJobType[];
  readonly leases: LeaseSource;
  readonly runs: RunLog;
  readonly deadLetters: DeadLetters;
  readonly rates: RateLimiter;
  readonly announcer: Announcer;
  readonly clock: Clock;
  readonly identity: Identity;
  readonly observer: RunObserver;
  readonly log: Log;
  /** Runs at once in this process, over all job types. @default 100 */
  readonly maxRuns?: number;
  /** After so many deliveries of its command, a run that its own code keeps from going on is laid aside. @default 8, about two minutes */
  readonly triesBeforeSuspending?: number;
}

const DEFAULT_MAX_RUNS = 100;
const DEFAULT_TRIES = 8;
const REPLY_TO = 'Almanac-Reply-To';
const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** How many turns a lane has, compared with others, when there are fewer slots than runs. */
const TURNS: Readonly<Record<Lane, number>> = { high: 4, normal: 2, low: 1 };

interface HeldLease {
  readonly lease: Lease;
  readonly holder: Holder;
  readonly released: Promise<void>;
}

export class Host {
  readonly #options: HostOptions;
  readonly #feeds: LeaseFeed[] = [];
  readonly #pool: SlotPool;
  readonly #retired: RetiredLanes;
  /** By command. */
  readonly #held = new Map<number, HeldLease>();
  /** A later delivery of their command has come to us. */
  readonly #superseded = new WeakSet<Lease>();
  #heartbeat: NodeJS.Timeout | undefined;
  #stopping = false;

  constructor(options: HostOptions) {
    this.#options = options;
    this.#pool = new SlotPool(options.maxRuns ?? DEFAULT_MAX_RUNS);
    this.#retired = new RetiredLanes({
      ...options,
      open: (jobType, lane, limit) => this.#open(jobType, lane, limit, this.#pool.join(limit, TURNS[lane])),
    });
  }

  async start(): Promise<void> {
    const { jobTypes, leases } = this.#options;
    this.#heartbeat = setInterval(() => this.#extendAll(), leases.leaseMs / 3);
    // All join before the first asks, so that it does not keep for itself what the others are to have.
    const lanes = jobTypes.flatMap((jobType) =>
      [...laneLimits(jobType.definition)].map(([lane, limit]) => ({ jobType, lane, limit, slots: this.#pool.join(limit, TURNS[lane]) })),
    );
    await this.#retired.start();
    for (const { jobType, lane, limit, slots } of lanes) this.#feeds.push(await this.#open(jobType, lane, limit, slots));
  }

  #open(jobType: RunnableJobType, lane: Lane, concurrency: number, slots: FeedSlots): Promise<LeaseFeed> {
    return this.#options.leases.open({
      jobType: jobType.id,
      lane,
      slots,
      concurrency,
      onLease: (lease) => this.#onLease(jobType, lease),
    });
  }

  /** Pulls nothing more, stops what runs, and hands every lease back at once, so that another process goes on without waiting. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const fed = [this.#retired, ...this.#feeds].map((feed) => feed.stop());
    const released = [...this.#held.values()].map(({ holder, released }) => {
      holder.stop();
      return released;
    });
    await Promise.all([...fed, ...released]);
    clearInterval(this.#heartbeat);
  }

  #extendAll(): void {
    for (const { lease, holder } of this.#held.values()) if (holder.holds) lease.extend();
  }

  async #onLease(jobType: RunnableJobType, lease: Lease): Promise<void> {
    if (this.#stopping) return lease.handBack(0);
    let request: ReturnType<typeof requestOf>;
    try {
      request = requestOf(jobType, lease);
    } catch (error) {
      if (error instanceof InvalidCommandError) return this.#reject(jobType.id, lease, error);
      return this.#holdBack(jobType.id, lease, error); // the input schema's own code threw
    }
    for (let other = this.#held.get(lease.command); other !== undefined; other = this.#held.get(lease.command)) {
      if (other.lease.delivery >= lease.delivery) return; // overtaken by a later delivery while it waited here
      await this.#release(other);
    }
    if (this.#stopping) return lease.handBack(0);
    const { jobTypes: _, leases, rates, ...rest } = this.#options;
    const { id, statechart, activities, definition } = jobType;
    const { rate } = definition;
    const turn = rate && { turn: () => rates.take(id, rate, rest.clock.now()) };
    const holder = new Holder(
      { ...rest, jobType: id, statechart, activities, commandExists: leases.exists, ...turn },
      { ...request, traceparent: request.traceparent ?? rest.identity.traceparent(), command: lease.command, delivery: lease.delivery },
    );
    const released = this.#hold(jobType.id, request.runId, lease, holder);
    this.#held.set(lease.command, { lease, holder, released });
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
      this.#settle(lease, await holder.hold());
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

  #settle(lease: Lease, result: HoldResult): void {
    if (typeof result === 'object') {
      this.#handBack(lease, result.waitMs);
      return;
    }
    switch (result) {
      case 'final':
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
    await this.#bury(lease, { origin: 'command', jobType, code, reason: message });
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
    await this.#bury(lease, { origin: 'run', jobType, runId, code: error.code, reason: error.message, stack: stackOf(error) });
  }

  async #bury(lease: Lease, why: Pick<DeadLetter, 'origin' | 'jobType' | 'runId' | 'code' | 'reason' | 'stack'>): Promise<void> {
    const { deadLetters, announcer, log } = this.#options;
    const { subject, command, body, delivery, headers } = lease;
    try {
      await deadLetters.add({ ...why, subject, sequence: command, body, headers, attempts: delivery });
    } catch (error) {
      log.error({ err: error, subject, command }, 'the dead letter could not be written; the command stays');
      return lease.handBack(retryDelayMs(delivery));
    }
    lease.acknowledge();
    const replyTo = headers[REPLY_TO];
    if (replyTo !== undefined) announcer.reject(replyTo, { code: why.code, reason: why.reason });
  }
}

/** The cause first: it is the code that threw. */
function stackOf(error: Error): string {
  const { cause, stack = error.message } = error;
  return cause instanceof Error ? `${stackOf(cause)}\n${stack}` : stack;
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

function requestOf({ definition }: RunnableJobType, lease: Lease) {
  const { key, input, actor } = parseStartCommand(lease.body);
  const traceparent = lease.headers.traceparent;
  return {
    runId: key ?? runIdOfCommand(lease),
    input: parseInput(definition.input, input),
    actor,
    traceparent: traceparent !== undefined && TRACEPARENT.test(traceparent) ? traceparent : undefined,
  };
}

/** A command without a key names its run by its place in the stream: each delivery of it means the same run (invariant 5). */
const runIdOfCommand = ({ command, publishedAt }: Lease) => `cmd-${publishedAt.toString(36)}-${command}` as RunId;

/** Doubling from one second to five minutes: a broken deployment is tried again soon, a lasting one does not spin. */
const retryDelayMs = (delivery: number) => Math.min(300_000, 1_000 * 2 ** Math.min(delivery - 1, 9));
