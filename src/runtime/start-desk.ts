/**
 * Start commands, and commands to go on: each is a lease of its run (invariant 4), held until the run has ended, waits, or cannot go on.
 * Every one of them ends as a run event or as a dead letter (invariant 6).
 */
import { type AlmanacError, InvalidCommandError } from '../domain/errors.ts';
import type { JobTypeId, RunId, Sequence } from '../domain/ids.ts';
import type { Lane } from '../domain/job-type.ts';
import type { Run } from '../domain/run.ts';
import type { RunPolicy } from '../domain/run-policy.ts';
import { runNamedIn } from '../domain/start-command.ts';
import { concernsOthers, type HandoverOptions, setWake, tellEnd, tellRefusal } from './handover.ts';
import { Holder, type HolderOptions, type HoldResult } from './holder.ts';
import type { RunnableJobType } from './job-types.ts';
import type { Alert, Alerts, Lease, LeaseSource, RateLimiter, RunAddress } from './ports.ts';
import { stackOf } from './stack-of.ts';
import { type StartRequest, startRequestOf } from './start-request.ts';
import { bury, isRunProblem, retryDelayMs, type UnusableOptions } from './unusable.ts';

type ForHolders = 'runs' | 'clock' | 'identity' | 'announcer' | 'commands' | 'observer' | 'log' | 'parkAfterMs' | 'activityGraceMs';
export interface StartDeskOptions extends Pick<HolderOptions, ForHolders>, HandoverOptions, UnusableOptions {
  readonly leases: LeaseSource;
  readonly rates: RateLimiter;
  readonly alerts: Alerts;
  /** After so many deliveries of its command, a run that its own code keeps from going on is laid aside. */
  readonly triesBeforeSuspending: number;
}

/** Of a run that was woken before its time. */
const SHORTEST_WAIT_MS = 1_000;
/** Of commands that seemed to be lost: others take part in the order they came in. */
const MOST_REMEMBERED = 1_000;

interface HeldLease {
  readonly jobType: JobTypeId;
  readonly runId: RunId;
  readonly lease: Lease;
  readonly holder: Holder;
  readonly released: Promise<void>;
}

export class StartDesk {
  readonly #options: StartDeskOptions;
  /** By command. */
  readonly #held = new Map<number, HeldLease>();
  /** A later delivery of their command has come to us. */
  readonly #superseded = new WeakSet<Lease>();
  /** By command: the event by which a delivery of it seemed to be lost. */
  readonly #lostTo = new Map<number, Sequence>();
  #closed = false;

  constructor(options: StartDeskOptions) {
    this.#options = options;
  }

  /** Takes nothing more: what comes goes back. */
  close(): void {
    this.#closed = true;
  }

  /** Stops what goes on; {@link released} tells when it has. */
  stop(): void {
    for (const { holder } of this.#held.values()) holder.stop();
  }

  /** Resolves when nothing is held any more of what is held now. */
  async released(): Promise<void> {
    await Promise.all([...this.#held.values()].map(({ released }) => released));
  }

  extendAll(): void {
    for (const { lease, holder } of this.#held.values()) if (!holder.lost) lease.extend();
  }

  /** Somebody else has appended to the run; to any of them, when none is named. */
  moved(run?: RunAddress): void {
    for (const { runId, jobType, holder } of this.#held.values()) {
      if (run === undefined || (run.runId === runId && run.jobType === jobType)) holder.moved();
    }
  }

  /** What to do with the commands of a lane. It settles each lease. */
  of(jobType: RunnableJobType, lane: Lane, policy: RunPolicy): (lease: Lease) => Promise<void> {
    const { leases, rates, ...options } = this.#options;
    const { id, definition } = jobType;
    const { rate } = definition;
    const turn = rate && { turn: () => rates.take(id, rate, options.clock.now()) };
    const forHolders = { ...options, ...jobType, jobType: id, policy, commandExists: leases.exists, ...turn };
    return (lease) => this.#hear(jobType, lane, forHolders, lease);
  }

  async #hear(jobType: RunnableJobType, lane: Lane, options: HolderOptions, lease: Lease): Promise<void> {
    if (this.#closed) return lease.handBack(0);
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
    if (this.#closed) return lease.handBack(0);
    const traceparent = request.traceparent ?? options.identity.traceparent();
    const { command, delivery } = lease;
    const holder = new Holder(options, { ...request, traceparent, lane, command, delivery, lostTo: this.#lostTo.get(command) });
    const released = this.#hold(jobType.id, request.runId, lease, holder);
    this.#held.set(lease.command, { jobType: jobType.id, runId: request.runId, lease, holder, released });
    await released;
  }

  /** A lease of ours ran out, and its command was delivered to us again: what we still do for the earlier delivery stops first. */
  async #release({ lease, holder, released }: HeldLease): Promise<void> {
    this.#superseded.add(lease);
    holder.stop();
    await released;
  }

  async #hold(jobType: JobTypeId, runId: RunId, lease: Lease, holder: Holder): Promise<void> {
    const { triesBeforeSuspending } = this.#options;
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
        this.#rememberLost(lease.command, result.to);
        return;
    }
    this.#lostTo.delete(lease.command);
  }

  #rememberLost(command: number, to: Sequence | undefined): void {
    if (to === undefined) return;
    if (this.#lostTo.size >= MOST_REMEMBERED) this.#lostTo.delete(this.#lostTo.keys().next().value!);
    this.#lostTo.set(command, to);
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
    try {
      await tellRefusal(this.#options, jobType, lease, message);
    } catch (error) {
      return this.#holdBack(jobType, lease, error);
    }
    await bury(this.#options, lease, { origin: 'command', jobType, runId: runNamedIn(lease.body), code, reason: message });
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
