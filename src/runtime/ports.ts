/** All that the loops of `runtime/` know of the world. */
import type { Progress } from '../domain/activity.ts';
import type { CommandSelection } from '../domain/command-selection.ts';
import type { DeadLetterOrigin } from '../domain/dead-letter.ts';
import type { Instant, JobTypeId, RunId, ScheduleId, Sequence } from '../domain/ids.ts';
import type { Lane } from '../domain/job-type.ts';
import type { Rate } from '../domain/rate-limit.ts';
import type { Actor, Parent, RunEvent } from '../domain/run-event.ts';
import type { ControlCommand } from '../domain/schedule/control-command.ts';
import type { ScheduleCommand } from '../domain/schedule/schedule-command.ts';
import type { StandstillState } from '../domain/schedule/standstill.ts';
import type { Signal } from '../domain/signal.ts';
import type { FeedSlots } from './slot-pool.ts';

/** An event of a run as it stands in the log. */
export interface StoredRunEvent {
  readonly jobType: JobTypeId;
  readonly runId: RunId;
  readonly sequence: Sequence;
  /** By the clock of the server. */
  readonly storedAt: Instant;
  readonly event: RunEvent;
  readonly bytes: Uint8Array;
}

/** The history of every run (invariant 1). */
export interface RunLog {
  /**
   * Appends one decision, if `expected` still is the sequence of the run's last event (invariant 2). When the answer is lost, the log is
   * read back until it is known whether the event was stored, so the result is never a guess.
   *
   * @param expected 0 for a run without history.
   * @throws {VersionConflictError} Somebody appended since. Reload and decide again; do not resend.
   * @throws {StorageRefusedError} Not stored, e.g. the quota is used up. Hand the lease back and try later.
   */
  append(jobType: JobTypeId, run: RunId, eventId: string, bytes: Uint8Array, expected: Sequence): Promise<Sequence>;
  /**
   * The last event of a run, or undefined when it has none.
   * @param read `fast` may be answered by a replica that is a moment behind; `exact` asks the leader. After a conflict, read `exact`.
   * @throws {CorruptEventError} What is stored is not an event of ours.
   */
  last(jobType: JobTypeId, run: RunId, read: 'fast' | 'exact'): Promise<StoredRunEvent | undefined>;
  /** The first event of a run: its input. @throws as {@link last} */
  first(jobType: JobTypeId, run: RunId): Promise<StoredRunEvent | undefined>;
}

export interface ReadOptions {
  readonly jobType?: JobTypeId | undefined;
  readonly runId?: RunId | undefined;
  readonly since?: Instant | undefined;
  /** Inclusive. */
  readonly until?: Instant | undefined;
  /** Only the last event of each run. After a break of the connection a run may come again, if it has a later event by then. */
  readonly lastPerRun?: boolean | undefined;
  /** Goes on with new events until the signal aborts; without it, reading ends where the log ended when it began. */
  readonly follow?: AbortSignal | undefined;
  /** Told of messages that are not run events, though they stand where run events belong: somebody else wrote to the stream. */
  readonly onForeign?: ((where: { subject: string; sequence: number }) => void) | undefined;
}

/** Reading histories in bulk, in the one total order of the log. */
export interface RunHistory extends Pick<RunLog, 'first'> {
  /** @param onEvent Reading waits for what it returns; `'stop'` ends it. */
  read(options: ReadOptions, onEvent: (stored: StoredRunEvent) => undefined | 'stop' | Promise<undefined | 'stop'>): Promise<void>;
  /** In which job types there is a run of that id. */
  jobTypesOf(run: RunId): Promise<JobTypeId[]>;
}

/** A delivered, unacknowledged command. A start command in this state is the lease of its run (invariant 4). */
export interface Lease {
  readonly subject: string;
  /** Place in the COMMANDS stream: the identity of the command. */
  readonly command: number;
  /** 1 for the first delivery. */
  readonly delivery: number;
  /** When the command was stored. */
  readonly publishedAt: Instant;
  readonly body: Uint8Array;
  /** First value of each header of the message. */
  readonly headers: Readonly<Record<string, string>>;
  /** The work is done, or there was none: the command is removed. */
  acknowledge(): void;
  /** Still working: do not give it to anybody else yet. */
  extend(): void;
  /** Not now: it is delivered again, to anybody, after `delayMs` (whole milliseconds; the server ignores fractions). */
  handBack(delayMs: number): void;
}

export interface LeaseSource extends QueuedStarts {
  /**
   * Delivers the commands of a selection, each with a slot of its own until it is settled.
   * Survives reconnects, server restarts and a deleted consumer.
   */
  open(options: {
    commands: CommandSelection;
    slots: FeedSlots;
    /** Leases at once over all replicas, those that were handed back with a delay among them; from now on, if it was another. @default unlimited */
    concurrency?: number;
    onLease: (lease: Lease) => Promise<void>;
  }): Promise<LeaseFeed>;
  /** Lanes that somebody opened, now or earlier, of any job type. */
  lanesInUse(): Promise<LaneInUse[]>;
  /** Commands that come for it from now on are nobody's. Harmless when it does not exist. */
  removeLane(jobType: JobTypeId, lane: Lane): Promise<void>;
  /** How long an unextended lease is kept before it is given to somebody else, in milliseconds. */
  readonly leaseMs: number;
  /** Whether a command still waits or is held by somebody. */
  exists(command: number): Promise<boolean>;
}
export interface QueuedStarts {
  /** The start command of a run that waits for its turn, if it is among the next 10,000. @param runIdOf Which run a command means. */
  findStart(jobType: JobTypeId, runIdOf: (command: StoredCommand) => RunId | undefined, run: RunId): Promise<StoredCommand | undefined>;
}
/** A command where it lies. */
export type StoredCommand = Pick<Lease, 'subject' | 'command' | 'publishedAt' | 'body' | 'headers'>;
export interface LaneInUse {
  readonly jobType: JobTypeId;
  readonly lane: Lane;
  /** Runs at once over all replicas. */
  readonly limit: number;
  /** Commands that wait or are held by somebody. */
  readonly left: number;
  /** Somebody asks for its commands at this moment. */
  readonly polled: boolean;
}
export interface LeaseFeed {
  /** No new leases; those held stay held. Resolves when those that were on their way have gone back. */
  stop(): Promise<void>;
}

/** Keeps the rates of job types, over all replicas. */
export interface RateLimiter {
  /**
   * Lets a run begin, or says in how many milliseconds to ask again. The first time that is named is the earliest there can be; who asks
   * at the same time is told later ones, so that not all come back at once.
   *
   * @throws {StorageRefusedError} Nobody knows whose turn it is. Try later.
   */
  take(jobType: JobTypeId, rate: Rate, now: Instant): Promise<{ waitMs: number }>;
}

export interface DeadLetter {
  readonly origin: DeadLetterOrigin;
  readonly jobType: string;
  /** Sending a run's command again needs it as the key, for a command may have had none. Of a refused start command: the run it names. */
  readonly runId?: RunId | undefined;
  readonly subject: string;
  /** Of the original message in its stream; makes writing the letter twice harmless. */
  readonly sequence: number;
  readonly body: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
  readonly attempts: number;
  readonly code: string;
  readonly reason: string;
  /** Of the last error, with what caused it; of a run that its own code keeps from going on. */
  readonly stack?: string | undefined;
}
export interface DeadLetters {
  /** Resolves once the letter is stored; only then may the original be acknowledged (invariant 6). */
  add(letter: DeadLetter): Promise<void>;
}

/** Start commands of runs that have not begun. */
export interface QueuedRuns {
  /** Whether there is one that waits or is held by somebody. Also where so many wait that nobody can tell. */
  has(run: RunAddress): Promise<boolean>;
  /** It need not be looked for: the command stands at that place, or stood there. */
  remember(run: RunAddress, place: number): void;
}
/** Runs that nobody carries on unless a person acts: a command of theirs is a dead letter, or was one and has been dropped, not sent again. */
export interface LaidAsideRuns {
  /** Of a run that has begun and has not ended. @param last Its last event. */
  isLaidAside(last: StoredRunEvent): Promise<boolean>;
  /** Of a run that has not begun. @param after Place in the log before which nobody has asked for it. */
  isRefused(run: RunAddress, after: Sequence): Promise<boolean>;
}

/** Signals that became dead letters. */
export interface Refusals {
  /** @param since When the signal was sent: its letter is not older. */
  has(jobType: JobTypeId, command: number, since: Instant): Promise<boolean>;
}

/** A dead letter where it lies. Strangers may write there, too: what a letter does not say is null. */
export interface StoredDeadLetter {
  /** Place in the DEAD_LETTERS stream: what people call it by. */
  readonly id: number;
  readonly storedAt: Instant;
  readonly origin: DeadLetterOrigin | null;
  readonly jobType: string | null;
  readonly runId: RunId | null;
  readonly code: string | null;
  readonly reason: string | null;
  readonly stack: string | null;
  readonly attempts: number | null;
  /** Of the original message, as far as the letter can be believed: see `sendable`. */
  readonly subject: string | null;
  readonly sequence: number | null;
  /** Whether a command may be sent to `subject`: it is one, for a run it starts runs of that job type, and a signal is one to them. */
  readonly sendable: boolean;
  /** Everything that stands in the letter: the sender's headers and ours. */
  readonly headers: Readonly<Record<string, string>>;
  /** Of the original message. Empty where only heads were asked for. */
  readonly body: Uint8Array;
}
export interface DeadLetterFilter {
  readonly origin?: DeadLetterOrigin | undefined;
  readonly jobType?: string | undefined;
  readonly code?: string | undefined;
}
/** The dead letters, for people who want to be rid of them. */
export interface DeadLetterBox {
  /** Oldest first. @param part `head` leaves the bodies on the server. */
  read(filter: DeadLetterFilter, part: 'head' | 'whole', onLetter: (letter: StoredDeadLetter) => void): Promise<void>;
  /** Undefined: there is none by that id, now or ever. */
  get(id: number): Promise<StoredDeadLetter | undefined>;
  /**
   * Sends `body` to the letter's subject, with the headers of the first sender. Resolves once the command is stored. Doing it again
   * within two minutes stores nothing, whoever does it. Ask for `sendable` first.
   *
   * @throws {StorageRefusedError} Not stored. The letter is where it was.
   */
  sendAgain(letter: StoredDeadLetter, body: Uint8Array): Promise<void>;
  /** Resolves once the audit says what was done with the letter; only then may it be removed (invariant 6). @throws as {@link sendAgain} */
  record(letter: StoredDeadLetter, what: 'redriven' | 'dropped', actor: Actor, at: Instant): Promise<void>;
  /** False: somebody else removed it. */
  remove(id: number): Promise<boolean>;
}

/** Something a person should look at. */
export interface Alert {
  /** What is wrong, as one word of a subject, e.g. `definition-changed`. */
  readonly rule: string;
  /** Whom it is about: of a run its id. */
  readonly key: string;
  readonly jobType: JobTypeId;
  readonly runId: RunId;
  /** What happened and what to do, in plain words. */
  readonly summary: string;
  readonly facts: {
    /** Of the error behind it. */
    readonly code: string;
    /** The start command that was tried. */
    readonly command: number;
    /** `held` is tried again by itself, `laid-aside` is a dead letter. */
    readonly state: 'held' | 'laid-aside';
    readonly [fact: string]: unknown;
  };
}
export interface Alerts {
  /** Resolves once the alert is in the log. The same for the same command and state again is raised once. @throws {StorageRefusedError} */
  raise(alert: Alert): Promise<void>;
}
export interface AlertHistory {
  /** The last alert about a run that stands after `after` in the log. */
  last(jobType: JobTypeId, run: RunId, after: Sequence): Promise<Alert | undefined>;
}

export interface StartCommandMessage {
  readonly jobType: JobTypeId;
  readonly runId: RunId;
  readonly lane?: Lane;
  readonly input: unknown;
  readonly actor?: Actor | undefined;
  readonly parent?: Parent | undefined;
  /** Makes publishing twice harmless. @default `<jobType>/<runId>` */
  readonly messageId?: string;
  readonly replyTo?: string;
  readonly traceparent?: string;
}
export interface CommandSender {
  /**
   * Resolves once the command is stored, now or before, to its place in the COMMANDS stream.
   * @throws {StorageRefusedError} as {@link RunLog.append}
   */
  start(command: StartCommandMessage): Promise<number>;
  /**
   * As `start`. When nothing was stored, because a command of the same id was sent shortly before, it tells what that one asks for:
   * `body` is null when it has been carried out or refused since.
   */
  startOnce(command: StartCommandMessage): Promise<{ readonly earlier?: { readonly body: Uint8Array | null } }>;
  /** Has a run that exists held again, or begun anew. Doing it twice is harmless: the second command finds the run held. Throws as `start`. */
  again(
    run: RunAddress,
    how: 'continue' | 'restart',
    options?: { lane?: Lane | undefined; actor?: Actor | undefined; replyTo?: string },
  ): Promise<void>;
  /** Has the run looked after again `until` then, which is `forMs` from now. Throws as `start`. */
  wake(run: RunAddress, wake: Wake): Promise<void>;
  /** @param signal.messageId Makes sending twice harmless. @default none. Throws as `start`. */
  signal(run: RunAddress, signal: SignalMessage): Promise<void>;
  /** A change of a schedule, or a run of it now. Throws as `start`. */
  schedule(schedule: ScheduleId, command: ScheduleCommand, options?: { replyTo?: string }): Promise<void>;
  /** For all schedules at once. Throws as `start`. */
  control(command: ControlCommand, options?: { replyTo?: string }): Promise<void>;
  /** Where start commands of that job type and lane are sent. */
  startSubject(jobType: JobTypeId, lane?: Lane): string;
}
export interface RunAddress {
  readonly jobType: JobTypeId;
  readonly runId: RunId;
}
export interface Wake {
  /** ISO 8601, UTC. */
  readonly until: string;
  /** As long as that is by the clock of whoever parks the run. */
  readonly forMs: number;
  readonly lane?: Lane | undefined;
}
export interface SignalMessage {
  readonly event: Signal['event'];
  readonly actor?: Actor | undefined;
  readonly optional?: boolean;
  readonly messageId?: string;
  readonly replyTo?: string;
}

/** Answers to whoever asked for one, and progress for whoever looks. Not durable: the log is. */
export interface Announcer {
  reject(replyTo: string, rejection: { code: string; reason: string }): void;
  /** A signal was carried out: the run is in that state now. */
  accept(replyTo: string, accepted: { state: string; outcome: string | null }): void;
  /** Tells whoever holds the run that somebody else has moved it. Not durable: see {@link RunNews}. */
  moved(run: RunAddress): void;
  progress(jobType: JobTypeId, run: RunId, activityId: string, progress: Progress): void;
}

/** Runs that were moved by another process than their holder. A holder that hears nothing finds out at its next append (invariant 2). */
export interface RunNews {
  /** @param onMissed The connection was away: anything may have been moved. */
  listen(onMoved: (run: RunAddress) => void, onMissed: () => void): { stop(): void };
}

/** What a process that started a run hears back, besides the log. */
export interface ReplyBox {
  open(
    jobType: JobTypeId,
    run: RunId,
    onProgress: (activity: string, progress: Progress) => void,
  ): {
    /** For the start command. */
    readonly address: string;
    /** Resolves if the command is refused or its run is laid aside; else never. */
    readonly rejection: Promise<{ code: string; reason: string }>;
    /** Resolves when a signal was carried out; else never. */
    readonly acceptance: Promise<{ state: string; outcome: string | null }>;
    close(): void;
  };
}

/** An event of a schedule as it stands in the log. */
export interface StoredScheduleEvent {
  readonly id: ScheduleId;
  readonly sequence: Sequence;
  /** By the clock of the server. */
  readonly storedAt: Instant;
  /** Strangers may write there, too: parse them. */
  readonly bytes: Uint8Array;
}
/** The history of every schedule, with its ledger of occurrences (invariant 1). */
export interface ScheduleLog {
  /**
   * The last event of each schedule, then every later one of any process, in order. Resolves when all that was there has been handed over.
   * `ended` resolves when the signal aborts, and rejects when reading is not possible any more.
   */
  follow(signal: AbortSignal, onEvent: (stored: StoredScheduleEvent) => void): Promise<{ readonly ended: Promise<void> }>;
  /** From the leader. */
  last(schedule: ScheduleId): Promise<StoredScheduleEvent | undefined>;
  /** From the first one to the last one there is. @param since Only those stored then or later, by the clock of the server. */
  read(schedule: ScheduleId, onEvent: (stored: StoredScheduleEvent) => void, since?: Instant): Promise<void>;
  /** @param expected 0 for a schedule without history. Throws as {@link RunLog.append}. */
  append(schedule: ScheduleId, eventId: string, bytes: Uint8Array, expected: Sequence): Promise<Sequence>;
}

/** When all schedules stood still. */
export interface StandstillLog {
  /** From the leader. */
  last(): Promise<KnownStandstill>;
  /** Every change after that place in the log, until the signal aborts. */
  follow(after: Sequence, signal: AbortSignal, onChange: (known: KnownStandstill) => void): Promise<void>;
  /** Every change there was, oldest first. */
  read(onChange: (known: KnownStandstill) => void): Promise<void>;
  /** Throws as {@link RunLog.append}. */
  append(
    state: StandstillState,
    event: { readonly eventId: string; readonly source: string; readonly at: Instant; readonly actor?: Actor | undefined },
    expected: Sequence,
  ): Promise<Sequence>;
}
export interface KnownStandstill {
  readonly state: StandstillState;
  readonly sequence: Sequence;
}
/** What pauses all schedules from outside, e.g. a file in the vault. */
export interface PauseSource {
  isPaused(): Promise<{ readonly by: string } | undefined>;
  /** Resolves once changes are noticed. */
  onChange(listener: (pause: { readonly by: string } | undefined) => void): Promise<unknown>;
  close(): void;
}

export interface Clock {
  now(): Instant;
  /** Calls back once, not before `at`; immediately (asynchronously) when `at` has passed. Returns the way to cancel. */
  wakeAt(at: Instant, callback: () => void): () => void;
}

export interface Identity {
  /** Names this process in `source` of its events. */
  readonly source: string;
  /** Never the same twice, and sortable by time. */
  eventId(): string;
  /** W3C trace context for a run whose command brought none. */
  traceparent(): string;
}

/** Told what happens, for metrics. Never asked anything. */
export interface RunObserver {
  started(jobType: JobTypeId): void;
  ended(jobType: JobTypeId, outcome: string, durationMs: number): void;
  /** A lease went back because the run could not go on: the statechart's own code threw, or the log refused an event. */
  heldBack(jobType: JobTypeId): void;
}

export type BreakerState = 'closed' | 'open' | 'halfOpen';

/** Told how the dependencies of activities are, for metrics and the audit. Never asked anything. */
export interface DependencyObserver {
  breaker(dependency: string, state: BreakerState): void;
  /** A call was not made: the breaker was open, or too many calls were going on. */
  refused(dependency: string, by: 'breaker' | 'bulkhead'): void;
}

export interface Log {
  debug(facts: object, message: string): void;
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
}
