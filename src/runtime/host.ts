/**
 * From leases to runs: parses what was asked for, holds the run until it ends, settles the lease. Every command ends as a run event or as
 * a dead letter (invariant 6).
 */
import type { CommandSelection } from '../domain/command-selection.ts';
import { type AlmanacError, InvalidCommandError } from '../domain/errors.ts';
import type { JobTypeId, RunId, Sequence } from '../domain/ids.ts';
import { type Lane, laneLimits } from '../domain/job-type.ts';
import { PARK_AFTER_MS } from '../domain/parking.ts';
import type { Run } from '../domain/run.ts';
import { type PolicyDefaults, type RunPolicy, resolvePolicy } from '../domain/run-policy.ts';
import { concernsOthers, setWake, tellEnd } from './handover.ts';
import { Holder, type HoldResult } from './holder.ts';
import type { RunnableJobType } from './job-types.ts';
import type {
  Alert,
  Alerts,
  Announcer,
  Clock,
  CommandSender,
  DeadLetters,
  Identity,
  Lease,
  LeaseFeed,
  LeaseSource,
  Log,
  RateLimiter,
  RunHistory,
  RunLog,
  RunNews,
  RunObserver,
} from './ports.ts';
import { RetiredLanes } from './retired-lanes.ts';
import { SignalDesk } from './signal-desk.ts';
import { type FeedSlots, SlotPool } from './slot-pool.ts';
import { stackOf } from './stack-of.ts';
import { type StartRequest, startRequestOf } from './start-request.ts';
import { bury, DEFAULT_TRIES, isRunProblem, retryDelayMs } from './unusable.ts';
import { Waker } from './waker.ts';

export interface HostOptions {
  readonly jobTypes: readonly RunnableJobType[];
  readonly leases: LeaseSource;
  readonly runs: RunLog;
  readonly history: Pick<RunHistory, 'read'>;
  readonly commands: CommandSender;
  readonly news: RunNews;
  readonly deadLetters: DeadLetters;
  readonly alerts: Alerts;
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
  /** A run that only waits, for at least so long, is held by nobody meanwhile. @default 5 seconds */
  readonly parkAfterMs?: number;
  /** The wake of a parked run is looked at so often, however long it waits: clocks are put right, machines suspended. @default 15 minutes */
  readonly longestWakeDelayMs?: number;
  /** How long an activity that was told to stop may take; then it is left behind. @default 5 seconds, for Docker kills after ten */
  readonly activityGraceMs?: number;
  /** How long runs may go on while the process stops: short work ends here, long work moves. @default 500 */
  readonly stopGraceMs?: number;
  /** For what job types do not state themselves; of runs that begin from now on. @default POLICY_DEFAULTS */
  readonly policyDefaults?: PolicyDefaults;
}

const DEFAULT_MAX_RUNS = 100;
const DEFAULT_ACTIVITY_GRACE_MS = 5_000;
const DEFAULT_STOP_GRACE_MS = 500;
/** Signals and wakes take a moment each. */
const SIGNALS_AT_ONCE = 64;
const WAKES_AT_ONCE = 256;

/** Of a run that was woken before its time. */
const SHORTEST_WAIT_MS = 1_000;

const MOST_REMEMBERED = 1_000;

/** How many turns a lane has, compared with others, when there are fewer slots than runs. */
const TURNS: Readonly<Record<Lane, number>> = { high: 4, normal: 2, low: 1 };

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
  readonly #pool: SlotPool;
  readonly #retired: RetiredLanes;
  /** By command. */
  readonly #held = new Map<number, HeldLease>();
  /** A later delivery of their command has come to us. */
  readonly #superseded = new WeakSet<Lease>();
  /** By command: the event by which a delivery of it seemed to be lost. */
  readonly #lostTo = new Map<number, Sequence>();
  readonly #brief = new Set<Promise<void>>();
  #heartbeat: NodeJS.Timeout | undefined;
  #news: { stop(): void } | undefined;
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
    const { jobTypes, leases, news, parkAfterMs = PARK_AFTER_MS, policyDefaults } = this.#options;
    this.#heartbeat = setInterval(() => this.#extendAll(), leases.leaseMs / 3);
    this.#news = news.listen(
      (run) => this.#moved((held) => held.runId === run.runId && held.jobType === run.jobType),
      () => this.#moved(() => true),
    );
    // All join before the first asks, so that it does not keep for itself what the others are to have.
    const lanes = jobTypes.flatMap((jobType) =>
      [...laneLimits(jobType.definition)].map(([lane, limit]) => ({ jobType, lane, limit, slots: this.#pool.join(limit, TURNS[lane]) })),
    );
    await this.#retired.start();
    for (const { jobType, lane, limit, slots } of lanes) this.#feeds.push(await this.#open(jobType, lane, limit, slots));
    for (const jobType of jobTypes) {
      const policy = resolvePolicy(jobType.definition.policy, policyDefaults);
      const desk = new SignalDesk({ ...this.#options, parkAfterMs, policy }, jobType);
      await this.#openBrief({ kind: 'signal', jobType: jobType.id }, SIGNALS_AT_ONCE, (lease) => desk.hear(lease));
    }
    const waker = new Waker(this.#options);
    await this.#openBrief({ kind: 'wake' }, WAKES_AT_ONCE, (lease) => waker.wake(lease));
  }

  #open(jobType: RunnableJobType, lane: Lane, concurrency: number, slots: FeedSlots): Promise<LeaseFeed> {
    const policy = resolvePolicy(jobType.definition.policy, this.#options.policyDefaults);
    const onLease = (lease: Lease) => this.#onLease(jobType, { lane, policy }, lease);
    return this.#options.leases.open({ commands: { kind: 'start', jobType: jobType.id, lane }, slots, concurrency, onLease });
  }

  /** Commands that take a moment each, so stopping waits for them. They take no place of a run. */
  async #openBrief(commands: CommandSelection, atOnce: number, carryOut: (lease: Lease) => Promise<void>): Promise<void> {
    const slots = new SlotPool(atOnce).join(atOnce);
    const onLease = async (lease: Lease) => {
      const work = carryOut(lease);
      this.#brief.add(work);
      await work.finally(() => this.#brief.delete(work));
    };
    this.#feeds.push(await this.#options.leases.open({ commands, slots, onLease }));
  }

  /**
   * Pulls nothing more and lets short work end; what goes on after the grace is stopped. Every lease is handed back as soon as its run
   * stands still, so that another process goes on without waiting.
   */
  async stop(): Promise<void> {
    this.#stopping = true;
    const fed = Promise.all([this.#retired, ...this.#feeds].map((feed) => feed.stop()));
    await this.#graceOver();
    for (const { holder } of this.#held.values()) holder.stop();
    await Promise.all([fed, ...this.#releases()]);
    await Promise.all(this.#brief);
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

  async #onLease(jobType: RunnableJobType, { lane, policy }: { lane: Lane; policy: RunPolicy }, lease: Lease): Promise<void> {
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
    const { leases, rates, parkAfterMs = PARK_AFTER_MS, activityGraceMs = DEFAULT_ACTIVITY_GRACE_MS, ...rest } = this.#options;
    const { id, definition } = jobType;
    const { rate } = definition;
    const turn = rate && { turn: () => rates.take(id, rate, rest.clock.now()) };
    const holder = new Holder(
      { ...rest, ...jobType, jobType: id, policy, commandExists: leases.exists, parkAfterMs, activityGraceMs, ...turn },
      {
        ...request,
        traceparent: request.traceparent ?? rest.identity.traceparent(),
        lane,
        command: lease.command,
        delivery: lease.delivery,
        lostTo: this.#lostTo.get(lease.command),
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
      else if (!isRunProblem(error)) this.#holdBack(jobType, lease, error);
      else if (lease.delivery >= triesBeforeSuspending) await this.#suspend(jobType, runId, lease, error);
      else {
        await this.#alert('held', jobType, runId, lease, error);
        this.#holdBack(jobType, lease, error);
      }
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
      case 'asleep':
        await this.#wakeAgain(result.run, lease);
        lease.acknowledge();
        break;
      case 'duplicate':
        lease.acknowledge();
        break;
      case 'stopped':
        this.#handBack(lease, 0);
        break;
      case 'not yet':
        this.#handBack(lease, result.waitMs);
        break;
      case 'lost': // a later delivery of the same command exists, and only its holder may settle it
        if (this.#lostTo.size >= MOST_REMEMBERED) this.#lostTo.clear(); // whoever is forgotten waits a lease longer
        if (result.to !== undefined) this.#lostTo.set(lease.command, result.to);
        return;
    }
    this.#lostTo.delete(lease.command);
  }

  /** Woken before its time: another clock is ahead of ours, and either may be put right. So for as long again as the run has waited. */
  async #wakeAgain(run: Run, { publishedAt }: Lease): Promise<void> {
    const { runs, clock } = this.#options;
    const last = await runs.last(run.jobType, run.runId, 'exact');
    const waitedMs = last === undefined ? 0 : publishedAt - last.storedAt;
    await setWake(this.#options, run, clock.now(), Math.max(SHORTEST_WAIT_MS, waitedMs));
  }

  async #reject(jobType: JobTypeId, lease: Lease, { code, message }: InvalidCommandError): Promise<void> {
    const { subject, command } = lease;
    this.#options.log.warn({ subject, command, code, reason: message }, 'a start command is refused and becomes a dead letter');
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
    await this.#alert('laid-aside', jobType, runId, lease, error);
    await bury(this.#options, lease, { origin: 'run', jobType, runId, code: error.code, reason: error.message, stack: stackOf(error) });
  }

  /** Once for each command and state, however often the command is tried. */
  async #alert(state: Alert['facts']['state'], jobType: JobTypeId, runId: RunId, lease: Lease, error: AlmanacError): Promise<void> {
    const { alerts, log } = this.#options;
    const { command, delivery } = lease;
    const rule = error.code.toLowerCase().replaceAll('_', '-');
    const facts = { code: error.code, command, delivery, state };
    try {
      await alerts.raise({ rule, key: runId, jobType, runId, summary: error.message, facts });
    } catch (err) {
      log.error({ err, jobType, runId, rule }, 'the alert could not be written; the run is held all the same');
    }
  }
}
