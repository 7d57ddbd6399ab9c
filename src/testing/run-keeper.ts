/** What the processes of a deployment do for one run: they hold it, carry its signals out, park it and wake it. By the code of production. */
import { commandErrorOf } from '../domain/errors.ts';
import { instant, type RunId } from '../domain/ids.ts';
import { PARK_AFTER_MS } from '../domain/parking.ts';
import { type PolicyDefaults, resolvePolicy } from '../domain/run-policy.ts';
import type { Signal } from '../domain/signal.ts';
import { setWake } from '../runtime/handover.ts';
import { Holder, type HoldResult } from '../runtime/holder.ts';
import { type RunnableJobType, runnable } from '../runtime/job-types.ts';
import type { CommandSender, DeadLetter, Identity, Log, RunAddress } from '../runtime/ports.ts';
import { SignalDesk } from '../runtime/signal-desk.ts';
import { startRequestOf } from '../runtime/start-request.ts';
import type { RecordedHistory } from './recorded-history.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** A command for another run. */
export type Sent =
  | { readonly start: RunAddress & { readonly input: unknown } }
  | { readonly signal: RunAddress & { readonly event: Signal['event'] } };
export interface Logged {
  readonly level: keyof Log;
  readonly facts: object;
  readonly message: string;
}

/** A delivered start command. */
interface Lease {
  readonly command: number;
  readonly delivery: number;
  readonly body: Buffer;
}

export interface RunKeeperOptions {
  readonly clock: VirtualClock;
  readonly history: RecordedHistory;
  readonly runId: RunId;
  readonly policyDefaults: PolicyDefaults;
  /** Resolves when nothing more happens at this instant. */
  readonly still: () => Promise<void>;
}

const GRACE_MS = 5_000;

export class RunKeeper {
  readonly sent: Sent[] = [];
  readonly logged: Logged[] = [];
  readonly #options: RunKeeperOptions;
  readonly #commands: CommandSender;
  readonly #log: Log;
  readonly #identity: Identity;
  #jobType: RunnableJobType;
  #holder: Holder | undefined;
  /** Unacknowledged: it belongs to whoever holds the run, or will after a crash. */
  #lease: Lease | undefined;
  #lastCommand = 0;
  #failure: { readonly error: unknown } | undefined;

  constructor(jobType: RunnableJobType, options: RunKeeperOptions) {
    this.#options = options;
    this.#jobType = jobType;
    this.#commands = this.#sender();
    const line = (level: keyof Log) => (facts: object, message: string) => void this.logged.push({ level, facts, message });
    this.#log = { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
    let events = 0;
    this.#identity = { source: '/almanac/test', eventId: () => `event-${++events}`, traceparent: () => '' };
  }

  get held(): boolean {
    return this.#holder !== undefined;
  }

  start(input: unknown): Promise<void> {
    this.#deliverNew({ input });
    return this.settle();
  }

  /** Resolves when nothing more happens at this instant. @throws what kept the run from going on */
  async settle(): Promise<void> {
    await this.#options.still();
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure.error;
  }

  /** @throws {InvalidCommandError} It is refused. */
  async signal(signal: Signal): Promise<void> {
    const { history, clock, policyDefaults, runId } = this.#options;
    const letters: DeadLetter[] = [];
    const mistakes: unknown[] = [];
    const desk = new SignalDesk(
      {
        runs: history,
        history,
        leases: { exists: this.#commandExists, findStart: async () => undefined },
        commands: this.#commands,
        clock,
        identity: this.#identity,
        observer: NOBODY_OBSERVES,
        refusals: { has: async () => false },
        announcer: { ...SILENT, moved: () => this.#holder?.moved() },
        deadLetters: { add: async (letter) => void letters.push(letter) },
        log: { ...this.#log, error: (facts) => void mistakes.push('err' in facts ? facts.err : facts) },
        parkAfterMs: PARK_AFTER_MS,
        policy: resolvePolicy(this.#jobType.definition.policy, policyDefaults),
      },
      this.#jobType,
    );
    await desk.hear({
      subject: `cmd.${this.#jobType.id}.signal.${runId}`,
      command: ++this.#lastCommand,
      delivery: 1,
      publishedAt: clock.now(),
      body: bytesOf(signal),
      headers: {},
      acknowledge: () => {},
      extend: () => {},
      handBack: () => {},
    });
    if (mistakes.length > 0) throw mistakes[0];
    const refused = letters.find(({ origin }) => origin === 'signal');
    if (refused !== undefined) throw commandErrorOf(refused.code, refused.reason);
    await this.settle();
  }

  /** Another process goes on, with what the log says and nothing else. */
  async restart(downMs: number, { definition, activities }: RunnableJobType = this.#jobType): Promise<void> {
    const { clock, still } = this.#options;
    this.#holder?.stop();
    this.#holder = undefined;
    await still(); // what it did has stopped before time goes on
    this.#jobType = runnable(definition, activities);
    const lease = this.#lease;
    clock.jumpTo(new Date(clock.now() + downMs).toISOString());
    if (lease !== undefined) this.#deliver({ ...lease, delivery: lease.delivery + 1 });
    await this.settle();
  }

  readonly #commandExists = async (command: number) => command === this.#lease?.command;

  #deliverNew(body: object): void {
    this.#deliver({ command: ++this.#lastCommand, delivery: 1, body: bytesOf({ key: this.#options.runId, ...body }) });
  }

  #deliver(lease: Lease): void {
    const { history, clock, policyDefaults } = this.#options;
    const { command, delivery, body } = lease;
    const { id, definition } = this.#jobType;
    const request = startRequestOf(this.#jobType, { subject: '', command, body, headers: {}, publishedAt: clock.now() });
    const holder = new Holder(
      {
        ...this.#jobType,
        jobType: id,
        policy: resolvePolicy(definition.policy, policyDefaults),
        runs: history,
        clock,
        identity: this.#identity,
        announcer: SILENT,
        commands: this.#commands,
        observer: NOBODY_OBSERVES,
        log: this.#log,
        commandExists: this.#commandExists,
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
      if (this.#holder !== holder) return; // its process is dead
      this.#holder = undefined;
      await this.#leave(result);
    } catch (error) {
      if (this.#holder !== holder) return;
      this.#holder = undefined;
      this.#failure = { error }; // the lease stays: a repaired deployment goes on
    }
  }

  async #leave(result: HoldResult): Promise<void> {
    this.#lease = undefined;
    if (result.end === 'parked' || result.end === 'asleep') {
      await setWake({ commands: this.#commands }, result.run, this.#options.clock.now());
    }
  }

  /** Wakes are kept by the clock, as by a server in production. Commands for other runs are noted. */
  #sender(): CommandSender {
    const { clock } = this.#options;
    const start: CommandSender['start'] = async ({ jobType, runId, input }) => this.sent.push({ start: { jobType, runId, input } });
    const goOn = () => this.#deliverNew({ again: 'continue' });
    return {
      start,
      startOnce: (command) => start(command).then(() => ({})),
      signal: async ({ jobType, runId }, { event }) => void this.sent.push({ signal: { jobType, runId, event } }),
      again: async () => goOn(),
      wake: async (_, { until }) => {
        clock.wakeAt(instant(Date.parse(until)), () => {
          if (this.#holder === undefined) goOn(); // one that does not stand any more finds a run that has ended, or sleeps
        });
      },
      schedule: () => Promise.reject(new TypeError('a run tells schedules nothing')),
      control: () => Promise.reject(new TypeError('a run tells schedules nothing')),
      startSubject: (jobType) => `cmd.${jobType}.start.normal`,
    };
  }
}

const bytesOf = (body: object): Buffer => Buffer.from(JSON.stringify(body));
const SILENT = { reject: () => {}, accept: () => {}, moved: () => {}, progress: () => {} };
const NOBODY_OBSERVES = { started: () => {}, ended: () => {}, heldBack: () => {} };
