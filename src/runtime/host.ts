/** What a process does for runs: takes commands from the server, as many as it has places for, hands each to its desk, and stops in order. */
import type { CommandSelection } from '../domain/command-selection.ts';
import { type Lane, laneLimits } from '../domain/job-type.ts';
import { PARK_AFTER_MS } from '../domain/parking.ts';
import { type PolicyDefaults, resolvePolicy } from '../domain/run-policy.ts';
import type { RunnableJobType } from './job-types.ts';
import type {
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
  Refusals,
  RunHistory,
  RunLog,
  RunNews,
  RunObserver,
} from './ports.ts';
import { RetiredLanes } from './retired-lanes.ts';
import { SignalDesk } from './signal-desk.ts';
import { type FeedSlots, SlotPool } from './slot-pool.ts';
import { StartDesk } from './start-desk.ts';
import { DEFAULT_TRIES } from './unusable.ts';
import { Waker } from './waker.ts';

export interface HostOptions {
  readonly jobTypes: readonly RunnableJobType[];
  readonly leases: LeaseSource;
  readonly runs: RunLog;
  readonly history: Pick<RunHistory, 'read'>;
  readonly commands: CommandSender;
  readonly news: RunNews;
  readonly deadLetters: DeadLetters;
  readonly refusals: Refusals;
  readonly alerts: Alerts;
  readonly rates: RateLimiter;
  readonly announcer: Announcer;
  readonly clock: Clock;
  readonly identity: Identity;
  readonly observer: RunObserver;
  readonly log: Log;
  /** Carry out commands for schedules, for one and for all of them. @default this process takes none */
  readonly desks?: Readonly<Record<'schedule' | 'control', { hear(lease: Lease): Promise<void> }>>;
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

/** How many turns a lane has, compared with others, when there are fewer slots than runs. */
const TURNS: Readonly<Record<Lane, number>> = { high: 4, normal: 2, low: 1 };

export class Host {
  readonly #options: HostOptions;
  readonly #feeds: LeaseFeed[] = [];
  readonly #pool: SlotPool;
  readonly #retired: RetiredLanes;
  readonly #starts: StartDesk;
  readonly #brief = new Set<Promise<void>>();
  #heartbeat: NodeJS.Timeout | undefined;
  #news: { stop(): void } | undefined;

  constructor(options: HostOptions) {
    const { parkAfterMs = PARK_AFTER_MS, activityGraceMs = DEFAULT_ACTIVITY_GRACE_MS, triesBeforeSuspending = DEFAULT_TRIES } = options;
    this.#options = options;
    this.#starts = new StartDesk({ ...options, parkAfterMs, activityGraceMs, triesBeforeSuspending });
    this.#pool = new SlotPool(options.maxRuns ?? DEFAULT_MAX_RUNS);
    this.#retired = new RetiredLanes({
      ...options,
      open: (jobType, lane, limit) => this.#open(jobType, lane, limit, this.#pool.join(limit, TURNS[lane])),
    });
  }

  async start(): Promise<void> {
    const { jobTypes, leases, news, parkAfterMs = PARK_AFTER_MS, policyDefaults } = this.#options;
    this.#heartbeat = setInterval(() => this.#starts.extendAll(), leases.leaseMs / 3);
    this.#news = news.listen(
      (run) => this.#starts.moved(run),
      () => this.#starts.moved(),
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
    const { desks } = this.#options;
    if (desks === undefined) return;
    for (const kind of ['schedule', 'control'] as const)
      await this.#openBrief({ kind }, SIGNALS_AT_ONCE, (lease) => desks[kind].hear(lease));
  }

  #open(jobType: RunnableJobType, lane: Lane, concurrency: number, slots: FeedSlots): Promise<LeaseFeed> {
    const policy = resolvePolicy(jobType.definition.policy, this.#options.policyDefaults);
    const onLease = this.#starts.of(jobType, lane, policy);
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
    this.#starts.close();
    const fed = Promise.all([this.#retired, ...this.#feeds].map((feed) => feed.stop()));
    await this.#graceOver();
    this.#starts.stop();
    await Promise.all([fed, this.#starts.released()]);
    await Promise.all(this.#brief);
    this.#news?.stop();
    clearInterval(this.#heartbeat);
  }

  async #graceOver(): Promise<void> {
    const { stopGraceMs = DEFAULT_STOP_GRACE_MS } = this.#options;
    const { promise: over, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, stopGraceMs);
    await Promise.race([over, this.#starts.released()]);
    clearTimeout(timer);
  }
}
