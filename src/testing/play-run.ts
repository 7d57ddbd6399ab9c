/**
 * One run, played by the runtime itself (the holder, the signal desk, the wakes of parked runs) on a virtual clock. In memory: there are no
 * streams, no leases that expire and no second process; `docs/testing.md` says what to test those with.
 */
import type { DefinedJob } from '../domain/define-job.ts';
import { instant, runId } from '../domain/ids.ts';
import type { JobType } from '../domain/job-type.ts';
import type { Actor, RunEvent } from '../domain/run-event.ts';
import { POLICY_DEFAULTS, type PolicyDefaults } from '../domain/run-policy.ts';
import { CANCEL, type Signal } from '../domain/signal.ts';
import { describeState, outcomeOf, outstanding, type Snapshot } from '../domain/statechart/snapshot.ts';
import { type RunnableJobType, runnable } from '../runtime/job-types.ts';
import { instantOf } from './instant-of.ts';
import type { Script } from './outcomes.ts';
import { RecordedHistory } from './recorded-history.ts';
import { type Logged, RunKeeper, type Sent } from './run-keeper.ts';
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

/**
 * Resolves when the run waits: for the clock, for an activity that lasts, for a signal, or for nothing because it has ended.
 *
 * @throws {JobTypeError} The job type cannot be run, or the test names activities that it does not have.
 * @throws {InvalidCommandError} The input is refused.
 * @throws {StatechartCodeError} The statechart's own code threw. So does whatever moves the run later on.
 * @throws {HistoryMismatchError} The statechart does not depend on its log alone. So does whatever moves the run later on.
 */
export async function playRun(job: JobType | DefinedJob, options: PlayRunOptions = {}): Promise<PlayedRun> {
  const { at = '2026-01-01T00:00:00Z', activities = {}, input = {}, patienceMs = 5_000 } = options;
  const clock = new VirtualClock(at);
  const stage = new Stage(clock, activities, patienceMs);
  const history = new RecordedHistory(clock);
  history.verifyBy(compiled(job, stage));
  const keeper = new RunKeeper(compiled(job, stage), {
    clock,
    history,
    runId: runId(options.runId ?? 'run-1'),
    policyDefaults: options.policyDefaults ?? POLICY_DEFAULTS,
    still: () => stage.still(),
  });
  await keeper.start(input);
  return new PlayedRun({ clock, stage, history, keeper });
}

interface Parts {
  readonly clock: VirtualClock;
  readonly stage: Stage;
  readonly history: RecordedHistory;
  readonly keeper: RunKeeper;
}

class PlayedRun {
  readonly #clock: VirtualClock;
  readonly #stage: Stage;
  readonly #history: RecordedHistory;
  readonly #keeper: RunKeeper;

  constructor({ clock, stage, history, keeper }: Parts) {
    this.#clock = clock;
    this.#stage = stage;
    this.#history = history;
    this.#keeper = keeper;
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
    return this.#keeper.held;
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

  /** Commands that its activities sent to other runs. */
  get sent(): readonly Sent[] {
    return this.#keeper.sent;
  }

  get logged(): readonly Logged[] {
    return this.#keeper.logged;
  }

  /**
   * Lets time pass; whatever is due on the way happens at its time.
   * @param by Milliseconds, or an instant in ISO 8601.
   */
  async advance(by: number | string): Promise<void> {
    const end = typeof by === 'number' ? instant(this.#clock.now() + by) : instantOf(by);
    if (end < this.#clock.now()) throw new RangeError(`it is ${this.now} already: choose a later time than ${by}`);
    for (;;) {
      await this.#keeper.settle();
      const next = this.#clock.nextAlarm;
      if (next === undefined || Date.parse(next) > end) break;
      this.#clock.advanceTo(next);
    }
    this.#clock.advanceTo(new Date(end).toISOString());
    await this.#keeper.settle();
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
  signal(event: Signal['event'] | string, actor?: Actor): Promise<void> {
    return this.#keeper.signal({ event: typeof event === 'string' ? { type: event } : event, actor });
  }

  /** As `almanac run cancel`. */
  cancel(actor?: Actor): Promise<void> {
    return this.signal(CANCEL, actor);
  }

  /**
   * The process that holds it dies, with all it has in memory; another one goes on with the bytes of the last event. Activities that were
   * going on are started again. Timers that became due meanwhile fire, late and once.
   */
  crash({ downMs = 0 }: { readonly downMs?: number } = {}): Promise<void> {
    return this.#keeper.restart(downMs);
  }

  /**
   * As `crash`, and whoever goes on has another definition of the job type.
   * @throws {DefinitionChangedError} It says nothing about the one the run is on: list it as `previous`, or say how to `adopt` it.
   * @throws {AdoptionRefusedError} What it says does not fit the state of the run.
   */
  deploy(job: JobType | DefinedJob): Promise<void> {
    this.#history.verifyBy(compiled(job, this.#stage));
    return this.#keeper.restart(0, compiled(job, this.#stage));
  }

  get #snapshot(): Snapshot {
    return this.#history.stored.at(-1)!.event.data.snapshot;
  }
}

export type { PlayedRun };

function compiled(job: JobType | DefinedJob, stage: Stage): RunnableJobType {
  const { jobType, activities } = 'jobType' in job ? job : { jobType: job, activities: {} };
  return runnable(jobType, stage.activitiesFor(Object.keys(jobType.machine.implementations.actors), activities));
}
