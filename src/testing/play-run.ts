/**
 * One run, played by the runtime itself (the holder, the signal desk, the wakes of parked runs) on a virtual clock. In memory: there are no
 * streams, no leases that expire and no second process; `docs/testing.md` says what to test those with.
 */
import type { DefinedJob } from '../domain/define-job.ts';
import { commandErrorOf } from '../domain/errors.ts';
import { type Instant, instant, jobTypeId, runId } from '../domain/ids.ts';
import type { JobType } from '../domain/job-type.ts';
import { PARK_AFTER_MS } from '../domain/parking.ts';
import type { Actor, RunEvent } from '../domain/run-event.ts';
import { POLICY_DEFAULTS, type PolicyDefaults, resolvePolicy } from '../domain/run-policy.ts';
import { CANCEL, type Signal } from '../domain/signal.ts';
import { describeState, outcomeOf, outstanding, type Snapshot } from '../domain/statechart/snapshot.ts';
import { setWake } from '../runtime/handover.ts';
import { Holder, type HoldResult } from '../runtime/holder.ts';
import { type RunnableJobType, runnable } from '../runtime/job-types.ts';
import type { CommandSender, DeadLetter, Identity, Log, RunAddress, Wake } from '../runtime/ports.ts';
import { SignalDesk } from '../runtime/signal-desk.ts';
import { startRequestOf } from '../runtime/start-request.ts';
import type { Script } from './outcomes.ts';
import { RecordedHistory } from './recorded-history.ts';
import { type Call, Stage } from './stage.ts';
import { VirtualClock } from './virtual-clock.ts';

export interface PlayRunOptions {
  /** As a start command would say it. @default {} */
  readonly input?: unknown;
  /** When it starts, ISO 8601. @default 2026-01-01T00:00:00Z */
  readonly at?: string;
  /** What activities come to, by name; those of a `defineJob` that are not named run their own code. */
  readonly activities?: Readonly<Record<string, Script>>;
  /** Chance is drawn from the run id and the revision, as in production: with another id the waits between attempts are others. @default run-1 */
  readonly runId?: string;
  /** What the settings of the deployment say. */
  readonly policyDefaults?: PolicyDefaults;
  /** How long the code of an activity may take in real time, in milliseconds. @default 5,000 */
  readonly patienceMs?: number;
}

export interface PlayedTimer {
  /** As XState names it, e.g. `xstate.after.backoffMs.job.waiting`. */
  readonly id: string;
  /** ISO 8601, UTC. */
  readonly dueAt: string;
  readonly inMs: number;
}
/** A command for other runs. */
export type Sent =
  | { readonly start: RunAddress & { readonly input: unknown } }
  | { readonly signal: RunAddress & { readonly event: Signal['event'] } };
export interface Logged {
  readonly level: keyof Log;
  readonly facts: object;
  readonly message: string;
}

/** Resolves when the run waits: for the clock, for an activity that lasts, for a signal, or for nothing because it has ended. */
export async function playRun(job: JobType | DefinedJob, options: PlayRunOptions = {}): Promise<PlayedRun> {
  const run = new PlayedRun(job, options);
  await run.start(options.input ?? {});
  return run;
}

/** A delivered start command. */
interface Lease {
  readonly command: number;
  readonly delivery: number;
  readonly body: Buffer;
}

const DEFAULT_START = '2026-01-01T00:00:00Z';
const GRACE_MS = 5_000;
const bytesOf = (body: object): Buffer => Buffer.from(JSON.stringify(body));

class PlayedRun {
  /** Commands that its activities sent to other runs. */
  readonly sent: Sent[] = [];
  readonly logged: Logged[] = [];
  readonly #options: PlayRunOptions;
  readonly #clock: VirtualClock;
  readonly #stage: Stage;
  readonly #history: RecordedHistory;
  readonly #commands: CommandSender;
  readonly #log: Log;
  #jobType: RunnableJobType;
  #holder: Holder | undefined;
  /** Unacknowledged: whoever holds the run, or will after a crash. */
  #lease: Lease | undefined;
  #lastCommand = 0;
  #lastEvent = 0;
  #failure: { readonly error: unknown } | undefined;

  constructor(job: JobType | DefinedJob, options: PlayRunOptions) {
    const { at = DEFAULT_START, activities = {}, patienceMs = 5_000 } = options;
    this.#options = options;
    this.#clock = new VirtualClock(at);
    this.#stage = new Stage(this.#clock, activities, patienceMs);
    this.#history = new RecordedHistory(this.#clock);
    this.#commands = this.#sender();
    this.#log = logTo(this.logged);
    this.#jobType = this.#compile(job);
    this.#history.verifyBy(this.#compile(job));
  }

  async start(input: unknown): Promise<void> {
    this.#deliver({ command: ++this.#lastCommand, delivery: 1, body: bytesOf({ key: this.#options.runId ?? 'run-1', input }) });
    await this.#settle();
  }

  /** By the virtual clock, ISO 8601, UTC. */
  get now(): string {
    return new Date(this.#clock.now()).toISOString();
  }

  /** As people write it, e.g. `running.download.executing`; once it has ended, its final state. */
  get state(): string {
    return describeState(this.#snapshot.value);
  }

  get context(): Snapshot['context'] {
    return this.#snapshot.context;
  }

  /** Undefined: it has not ended. */
  get outcome(): string | undefined {
    return outcomeOf(this.#snapshot);
  }

  get output(): Snapshot['output'] {
    return this.#snapshot.output;
  }

  /** Those that are armed, the next one first. */
  get timers(): readonly PlayedTimer[] {
    const timers = outstanding(this.#snapshot).timers.toSorted((a, b) => a.dueAt - b.dueAt);
    return timers.map(({ id, dueAt }) => ({ id, dueAt: new Date(dueAt).toISOString(), inMs: dueAt - this.#clock.now() }));
  }

  /** Activities that are going on, by the id of their invoke. */
  get running(): readonly string[] {
    return outstanding(this.#snapshot).activities.map(({ id }) => id);
  }

  /** False: no process keeps anything for it. It has ended, or it is parked. */
  get held(): boolean {
    return this.#holder !== undefined;
  }

  /** When the parked run is woken, ISO 8601, UTC; null: by a signal alone. Undefined: it is not parked. */
  get parkedUntil(): string | null | undefined {
    return this.#history.stored.at(-1)?.event.data.parked?.until;
  }

  /** How often the statechart started each activity. */
  get attempts(): Readonly<Record<string, number>> {
    const byName = Map.groupBy(this.calls, ({ activity }) => activity);
    return Object.fromEntries([...byName].map(([name, calls]) => [name, new Set(calls.map((call) => call.idempotencyKey)).size]));
  }

  /** Every call of an activity, repetitions after a crash included. */
  get calls(): readonly Call[] {
    return this.#stage.calls;
  }

  /** As the log would hold it, the hash chain and the fold verified. */
  get history(): readonly RunEvent[] {
    return this.#history.stored.map(({ event }) => event);
  }

  /**
   * Lets time pass; whatever is due on the way happens at its time.
   * @param by Milliseconds, or an instant in ISO 8601.
   */
  async advance(by: number | string): Promise<void> {
    const end = instant(typeof by === 'number' ? this.#clock.now() + by : Date.parse(by));
    if (end < this.#clock.now()) throw new RangeError(`it is ${this.now} already: choose a later time than ${by}`);
    for (;;) {
      await this.#settle();
      const next = this.#clock.nextAlarm;
      if (next === undefined || Date.parse(next) > end) break;
      this.#clock.advanceTo(next);
    }
    this.#clock.advanceTo(new Date(end).toISOString());
    await this.#settle();
  }

  /** To when the first of {@link timers} is due. */
  async advanceToNextTimer(): Promise<void> {
    const [next] = this.timers;
    if (next !== undefined) return this.advance(Math.max(0, next.inMs));
    throw new Error(`the run has no timer in ${this.state}${this.outcome === undefined ? '' : ', because it has ended'}`);
  }

  /**
   * Sends it a signal, as a person or another run does.
   * @throws {InvalidCommandError} The run refuses it: it has ended, or does not listen to the event in its state.
   */
  async signal(event: Signal['event'] | string, actor?: Actor): Promise<void> {
    const { id } = this.#jobType;
    const command = ++this.#lastCommand;
    const letters: DeadLetter[] = [];
    const mistakes: unknown[] = [];
    const log = { ...this.#log, error: (facts: object) => void mistakes.push((facts as { err?: unknown }).err ?? facts) };
    const desk = new SignalDesk(
      {
        runs: this.#history,
        history: this.#history,
        leases: { exists: async (asked) => asked === this.#lease?.command, findStart: async () => undefined },
        commands: this.#commands,
        clock: this.#clock,
        identity: this.#identity(),
        observer: NOBODY_OBSERVES,
        refusals: { has: async () => false },
        announcer: { ...SILENT, moved: () => this.#holder?.moved() },
        deadLetters: { add: async (letter) => void letters.push(letter) },
        log,
        parkAfterMs: PARK_AFTER_MS,
        policy: this.#policy,
      },
      this.#jobType,
    );
    await desk.hear({
      subject: `cmd.${id}.signal.${this.#address.runId}`,
      command,
      delivery: 1,
      publishedAt: this.#clock.now(),
      body: bytesOf({ event: typeof event === 'string' ? { type: event } : event, actor }),
      headers: {},
      acknowledge: () => {},
      extend: () => {},
      handBack: () => {},
    });
    if (mistakes.length > 0) throw mistakes[0];
    const refused = letters.find(({ origin }) => origin === 'signal');
    if (refused !== undefined) throw commandErrorOf(refused.code, refused.reason);
    await this.#settle();
  }

  /** As `almanac run cancel`. */
  cancel(actor?: Actor): Promise<void> {
    return this.signal(CANCEL, actor);
  }

  /**
   * The process that holds it dies, with all it has in memory; another one goes on with the bytes of the last event. Activities that were
   * going on are started again. Timers that became due meanwhile fire, late and once.
   */
  async crash({ downMs = 0 }: { readonly downMs?: number } = {}): Promise<void> {
    await this.#restart(this.#jobType, downMs);
  }

  /**
   * As `crash`, and whoever goes on has another definition of the job type.
   * @throws {DefinitionChangedError} It says nothing about the one the run is on: list it as `previous`, or say how to `adopt` it.
   * @throws {AdoptionRefusedError} What it says does not fit the state of the run.
   */
  async deploy(job: JobType | DefinedJob): Promise<void> {
    this.#history.verifyBy(this.#compile(job));
    await this.#restart(this.#compile(job), 0);
  }

  async #restart(jobType: RunnableJobType, downMs: number): Promise<void> {
    const lease = this.#lease;
    this.#holder?.stop();
    this.#holder = undefined;
    await this.#stage.still(); // what it did is over before the time goes on
    this.#jobType = this.#freshly(jobType);
    this.#clock.jumpTo(new Date(this.#clock.now() + downMs).toISOString());
    if (lease !== undefined) this.#deliver({ ...lease, delivery: lease.delivery + 1 });
    await this.#settle();
  }

  /** With nothing that an earlier process may have remembered. */
  #freshly({ definition, activities }: RunnableJobType): RunnableJobType {
    return runnable(definition, activities);
  }

  #compile(job: JobType | DefinedJob): RunnableJobType {
    const { jobType, activities } = 'jobType' in job ? job : { jobType: job, activities: {} };
    const declared = Object.keys(jobType.machine.implementations.actors);
    return runnable(jobType, this.#stage.activitiesFor(declared, activities));
  }

  #deliver(lease: Lease): void {
    const { command, delivery, body } = lease;
    const request = startRequestOf(this.#jobType, { subject: '', command, body, headers: {}, publishedAt: this.#clock.now() });
    const holder: Holder = new Holder(
      {
        ...this.#jobType,
        jobType: this.#jobType.id,
        policy: this.#policy,
        runs: this.#history,
        clock: this.#clock,
        identity: this.#identity(),
        announcer: SILENT,
        commands: this.#commands,
        observer: NOBODY_OBSERVES,
        log: this.#log,
        commandExists: async (asked) => asked === this.#lease?.command,
        parkAfterMs: PARK_AFTER_MS,
        activityGraceMs: GRACE_MS,
      },
      { ...request, command, delivery, lane: 'normal' },
    );
    this.#lease = lease;
    this.#holder = holder;
    void this.#hold(holder);
  }

  async #hold(holder: Holder): Promise<void> {
    try {
      const result = await holder.hold();
      if (this.#holder === holder) await this.#left(result);
    } catch (error) {
      if (this.#holder === holder) this.#failure = { error };
    }
    if (this.#holder === holder) this.#holder = undefined;
  }

  async #left(result: HoldResult): Promise<void> {
    this.#lease = undefined;
    if (result.end === 'parked' || result.end === 'asleep') {
      this.#holder = undefined;
      await setWake({ commands: this.#commands }, result.run, this.#clock.now());
    }
  }

  /** Wakes are kept here, where a server keeps them in production; commands for other runs are only noted. */
  #sender(): CommandSender {
    const note = (sent: Sent) => void this.sent.push(sent);
    const start: CommandSender['start'] = async ({ jobType, runId, input }) => note({ start: { jobType, runId, input } });
    return {
      start,
      startOnce: async (command) => {
        await start(command);
        return {};
      },
      signal: async ({ jobType, runId }, { event }) => note({ signal: { jobType, runId, event } }),
      again: async () => this.#continue(),
      wake: async (_, { until }: Wake) => {
        this.#clock.wakeAt(Date.parse(until) as Instant, () => {
          if (this.#holder === undefined && this.parkedUntil === until) this.#continue();
        });
      },
      startSubject: (jobType) => `cmd.${jobType}.start.normal`,
    };
  }

  #continue(): void {
    this.#deliver({ command: ++this.#lastCommand, delivery: 1, body: bytesOf({ key: this.#address.runId, again: 'continue' }) });
  }

  async #settle(): Promise<void> {
    await this.#stage.still();
    if (this.#failure === undefined) return;
    const { error } = this.#failure;
    this.#failure = undefined;
    throw error;
  }

  #identity(): Identity {
    return { source: '/almanac/test', eventId: () => `event-${++this.#lastEvent}`, traceparent: () => '' };
  }

  get #policy() {
    return resolvePolicy(this.#jobType.definition.policy, this.#options.policyDefaults ?? POLICY_DEFAULTS);
  }

  get #address(): RunAddress {
    return { jobType: jobTypeId(this.#jobType.id), runId: runId(this.#options.runId ?? 'run-1') };
  }

  get #snapshot(): Snapshot {
    return this.#history.stored.at(-1)!.event.data.snapshot;
  }
}

export type { PlayedRun };

const SILENT = { reject: () => {}, accept: () => {}, moved: () => {}, progress: () => {} };
const NOBODY_OBSERVES = { started: () => {}, ended: () => {}, heldBack: () => {} };

function logTo(lines: Logged[]): Log {
  const at = (level: keyof Log) => (facts: object, message: string) => void lines.push({ level, facts, message });
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
