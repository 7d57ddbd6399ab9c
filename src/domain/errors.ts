/** Every error thrown on purpose: a class per decision a caller can make, a stable code, the facts as fields. */

export abstract class AlmanacError extends Error {
  /** Stable and documented; messages may change. */
  abstract readonly code: string;
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** Text that cannot be an id, because it would not be one token of a subject. */
export class InvalidIdError extends AlmanacError {
  readonly code = 'ID_INVALID';
  readonly kind: string;
  readonly text: string;
  constructor(kind: string, text: string) {
    super(
      `${JSON.stringify(text.slice(0, 80))} cannot be a ${kind}: use lower-case letters, digits, "-" and "_", starting with a letter or digit, at most 128`,
    );
    this.kind = kind;
    this.text = text;
  }
}

/** An activity's way to say: trying again is useless. Never retried. */
export class TerminalError extends AlmanacError {
  readonly code: string = 'TERMINAL';
  readonly retryable = false;
}

/** An activity's way to say: try again, but not before so many milliseconds, e.g. what an HTTP `Retry-After` asks for. */
export class RetryAfterError extends AlmanacError {
  readonly code = 'RETRY_AFTER';
  /** Rounded up to whole milliseconds when it is recorded; ignored when it is negative or no number. */
  readonly retryAfterMs: number;
  constructor(message: string, retryAfterMs: number, options?: ErrorOptions) {
    super(message, options);
    this.retryAfterMs = retryAfterMs;
  }
}

/** An activity's way to say: what it needs is out of order, so nothing was tried. Costs no attempt; the run waits and asks again. */
export class UnavailableError extends AlmanacError {
  readonly code = 'UNAVAILABLE';
  readonly unavailable = true;
  readonly dependency: string;
  /** As of {@link RetryAfterError}. */
  readonly retryAfterMs: number;
  constructor(dependency: string, reason: string, retryAfterMs: number, options?: ErrorOptions) {
    super(`${dependency} is not available: ${reason}`, options);
    this.dependency = dependency;
    this.retryAfterMs = retryAfterMs;
  }
}

/** A call took longer than its dependency is given. It may have been carried out all the same: try again, idempotently. */
export class DependencyTimeoutError extends AlmanacError {
  readonly code = 'DEPENDENCY_TIMEOUT';
  readonly dependency: string;
  constructor(dependency: string, timeoutMs: number) {
    super(`${dependency} did not answer within ${timeoutMs} ms`);
    this.dependency = dependency;
  }
}

/** What a worker answered that could not do an activity, in its own words. Tried again unless it says `retryable: false`. */
export class WorkerError extends AlmanacError {
  readonly code: string;
  readonly retryable: boolean | undefined;
  /** As of {@link RetryAfterError}. */
  readonly retryAfterMs: number | undefined;
  constructor(
    answer: { name?: string | undefined; message: string; code?: string | undefined } & Partial<
      Pick<WorkerError, 'retryable' | 'retryAfterMs'>
    >,
  ) {
    super(answer.message);
    this.name = answer.name ?? 'WorkerError';
    this.code = answer.code ?? 'WORKER_FAILED';
    this.retryable = answer.retryable;
    this.retryAfterMs = answer.retryAfterMs;
  }
}

/** No answer of a worker came that could be used, so nobody knows how far it got. Try again: the activity is idempotent. */
export class WorkerLostError extends AlmanacError {
  readonly code: 'WORKER_SILENT' | 'WORKER_LATE' | 'WORKER_UNREACHABLE' | 'WORKER_ANSWER_INVALID';
  readonly subject: string;
  constructor(code: WorkerLostError['code'], subject: string, reason: string, options?: ErrorOptions) {
    super(`${subject}: ${reason}`, options);
    this.code = code;
    this.subject = subject;
  }
}

/** An event type that only the statechart's own activities and timers may use came from outside. Refuse the command. */
export class ReservedEventError extends AlmanacError {
  readonly code = 'EVENT_RESERVED';
  readonly eventType: string;
  constructor(eventType: string) {
    super(`event type ${JSON.stringify(eventType.slice(0, 80))} is reserved: "xstate.*" and "*" cannot be sent to a run`);
    this.eventType = eventType;
  }
}

/**
 * A statechart's own code (an assign, guard, delay, input or output function) threw, or did what a log cannot hold. Append nothing,
 * hand the lease back with a delay and raise an alert: a fixed deployment continues the run. The cause is kept.
 */
export class StatechartCodeError extends AlmanacError {
  readonly code = 'STATECHART_CODE';
  readonly machineId: string;
  /** What the statechart was hearing: an event type, or `start`. */
  readonly hearing: string;
  constructor(machineId: string, hearing: string, options: { cause: unknown }) {
    const reason = options.cause instanceof Error ? options.cause.message : String(options.cause);
    super(`the statechart "${machineId}" threw on ${hearing}: ${reason}`, options);
    this.machineId = machineId;
    this.hearing = hearing;
  }
}

/** A snapshot names states this definition does not have. Run it with the definition it started with, or migrate it (invariant 9). */
export class SnapshotMismatchError extends AlmanacError {
  readonly code = 'SNAPSHOT_MISMATCH';
  readonly machineId: string;
  constructor(machineId: string, options: { cause: unknown }) {
    const reason = options.cause instanceof Error ? options.cause.message : String(options.cause);
    super(`the snapshot does not belong to this definition of "${machineId}": ${reason}`, options);
    this.machineId = machineId;
  }
}

const INVALID_COMMAND_CODES = [
  'COMMAND_TOO_LARGE',
  'COMMAND_NOT_UTF8',
  'COMMAND_NOT_JSON',
  'COMMAND_INVALID',
  'COMMAND_SUBJECT_UNKNOWN',
  'JOB_TYPE_UNKNOWN',
  'LANE_UNKNOWN',
  'INPUT_INVALID',
  'KEY_REUSED',
  'SIGNAL_INVALID',
  'RUN_UNKNOWN',
  'RUN_FINISHED',
  'EVENT_REFUSED',
  'QUEUE_TIMEOUT',
  'SCHEDULE_UNKNOWN',
  'SCHEDULE_CONFLICT',
  'SCHEDULE_INVALID',
] as const;
type InvalidCommandCode = (typeof INVALID_COMMAND_CODES)[number];

/** A command nobody can carry out, now or later: it becomes a dead letter with this code and message. */
export class InvalidCommandError extends AlmanacError {
  readonly code: InvalidCommandCode;
  constructor(code: InvalidCommandCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** A run that its own code keeps from going on: it is laid aside, its command is a dead letter. Repair the code, then send it again. */
export class RunSuspendedError extends AlmanacError {
  /** Of the error that keeps it from going on. */
  readonly code: string;
  constructor(code: string, reason: string) {
    super(reason);
    this.code = code;
  }
}

/** The error behind an answer of a process that took a command and could not carry it out. */
export function commandErrorOf(code: string, reason: string): InvalidCommandError | RunSuspendedError {
  const invalid = INVALID_COMMAND_CODES.find((known) => known === code);
  return invalid === undefined ? new RunSuspendedError(code, reason) : new InvalidCommandError(invalid, reason);
}

/** Stored bytes that are not an event of ours. Somebody else wrote to the stream, or the file is damaged: compare with a backup. */
export class CorruptEventError extends AlmanacError {
  readonly code = 'EVENT_CORRUPT';
  constructor(bytes: Uint8Array, options?: ErrorOptions) {
    super(`not a run event: ${Buffer.from(bytes.subarray(0, 80)).toString()}`, options);
  }
}

/** The log and the fold of its events disagree: the history was altered, or it ran on another statechart. */
export class HistoryMismatchError extends AlmanacError {
  readonly code = 'HISTORY_MISMATCH';
  readonly subject: string;
  readonly revision: number;
  constructor(subject: string, revision: number, problem: string) {
    super(`${subject} revision ${revision}: ${problem}`);
    this.subject = subject;
    this.revision = revision;
  }
}

/** A statechart's context or an event has outgrown the log. Nothing was appended; keep large results as artifacts and refer to them. */
export class SnapshotTooLargeError extends AlmanacError {
  readonly code = 'SNAPSHOT_TOO_LARGE';
  constructor(run: string, bytes: number, limit: number) {
    super(`the next event of run ${run} would have ${bytes} bytes, at most ${limit} are allowed: keep large results out of the context`);
  }
}

/** Another writer appended to the subject first (invariant 2). Sending again is useless: reload and decide again. */
export class VersionConflictError extends AlmanacError {
  readonly code = 'VERSION_CONFLICT';
  readonly subject: string;
  readonly expected: number;
  constructor(subject: string, expected: number, options?: ErrorOptions) {
    super(`${subject} has moved past sequence ${expected}`, options);
    this.subject = subject;
    this.expected = expected;
  }
}

/** Nobody knows whether the message was stored: the answer was lost or late. Read back before you decide anything. */
export class UnconfirmedError extends AlmanacError {
  readonly code = 'UNCONFIRMED';
  constructor(subject: string, reason: string) {
    super(`${subject}: not confirmed (${reason})`);
  }
}

/** This process is on its way out and sends nothing any more. Whoever goes on with the work reads back what was stored. */
export class StoppingError extends AlmanacError {
  readonly code = 'STOPPING';
  constructor(subject: string) {
    super(`${subject}: not sent, because this process is stopping`);
  }
}

/** Insufficient resources, resources exceeded, store failed. */
const NO_ROOM: ReadonlySet<number> = new Set([10_023, 10_047, 10_077]);

/** What a stream answers when its `max_msg_size` is exceeded. */
export const MESSAGE_TOO_LARGE = 10_054;

/** JetStream refused the message and did not store it, e.g. because the disk quota is used up. Try again when the cause is gone. */
export class StorageRefusedError extends AlmanacError {
  readonly code = 'STORAGE_REFUSED';
  readonly apiCode: number;
  /** It is about this one message, whatever the state of the stream. */
  readonly tooLarge: boolean;
  constructor(subject: string, apiCode: number, description: string) {
    const advice = NO_ROOM.has(apiCode)
      ? '. Free space on its disk or raise max_file_store of the NATS server (nats.conf), then try again'
      : '';
    super(`${subject} was not stored: ${description} (JetStream error ${apiCode})${advice}`);
    this.apiCode = apiCode;
    this.tooLarge = apiCode === MESSAGE_TOO_LARGE;
  }
}

/** A stream exists with weaker guarantees than declared. Starting would break a promise silently, so we do not start. */
export class WeakStreamError extends AlmanacError {
  readonly code = 'STREAM_WEAKER';
  readonly stream: string;
  readonly problems: readonly string[];
  constructor(stream: string, problems: readonly string[]) {
    super(
      `stream ${stream} exists with weaker guarantees than Almanac needs:\n${problems.map((problem) => `  - ${problem}`).join('\n')}\nBack it up (nats stream backup), delete it and restore it with the right settings, or use another NATS account.`,
    );
    this.stream = stream;
    this.problems = problems;
  }
}

/** A setting is missing or wrong. The message names every one of them. */
export class ConfigError extends AlmanacError {
  readonly code = 'CONFIG_INVALID';
}

/** What was written about the time of a schedule cannot be used. The message lists what is wrong and what to write instead. */
export class InvalidScheduleError extends AlmanacError {
  readonly code = 'SCHEDULE_INVALID';
}

/** A job type cannot be run by this process: the message lists what is wrong with its statechart or its activities. */
export class JobTypeError extends AlmanacError {
  readonly code = 'JOB_TYPE_INVALID';
}

/** There is nothing by that name. */
export class NotFoundError extends AlmanacError {
  readonly code = 'NOT_FOUND';
}

/** The request contradicts what is already recorded. */
export class ConflictError extends AlmanacError {
  readonly code = 'CONFLICT';
}

/** An activity returned more than an event may hold. Never retried: write the result to a store and return a reference. */
export class OutputTooLargeError extends TerminalError {
  override readonly code = 'OUTPUT_TOO_LARGE';
  constructor(activity: string, size: number, limit: number) {
    super(`activity ${activity} returned ${size} bytes of JSON, at most ${limit} are allowed: store the result and return a reference`);
  }
}

/** A step returned something that its own schema refuses. Never retried: repair the step, or its schema. */
export class OutputValidationError extends TerminalError {
  override readonly code = 'OUTPUT_INVALID';
  constructor(step: string, problem: string, options?: ErrorOptions) {
    super(`step ${step} returned something its schema refuses:\n${problem}`, options);
  }
}

const ADVICE = {
  deployOld: 'deploy the old definition beside the new one (`previous` of the job type) and it finishes there',
  orGiveUp: 'or give the run up: once it is laid aside, almanac dlq drop',
} as const;

/** The run is on a definition of its statechart that this process does not have (invariant 9). It is held as it is. */
export class DefinitionChangedError extends AlmanacError {
  readonly code = 'DEFINITION_CHANGED';
  readonly definition: string;
  /** Of the definitions this process has, the newest first. */
  readonly registered: readonly string[];
  constructor(jobType: string, run: string, definition: string, registered: readonly string[]) {
    super(
      `run ${run} is on definition ${definition} of ${jobType}, this process has ${registered.join(', ')}. Nothing was done to it: ` +
        `${ADVICE.deployOld}; or say how its state maps to the new definition (\`adopt\`); ${ADVICE.orGiveUp}`,
    );
    this.definition = definition;
    this.registered = registered;
  }
}

/** The mapping from the run's definition to the newest one does not fit the state the run is in. It is held as it is. */
export class AdoptionRefusedError extends AlmanacError {
  readonly code = 'ADOPTION_REFUSED';
  readonly definition: string;
  /** Everything that has no place in the new definition, in plain words. */
  readonly issues: readonly string[];
  constructor(jobType: string, run: string, definition: string, newest: string, issues: readonly string[]) {
    super(
      `run ${run} of ${jobType} cannot move from definition ${definition} to ${newest}:\n${issues.map((issue) => `  - ${issue}`).join('\n')}\n` +
        `Nothing was done to it: repair the mapping (\`adopt\`); or ${ADVICE.deployOld}; ${ADVICE.orGiveUp}`,
    );
    this.definition = definition;
    this.issues = issues;
  }
}

/** For people's eyes: of one address, or of several with commas between. */
export const withoutCredentials = (url: string): string => url.replace(/\/\/[^@/,]*@/g, '//***@');

/** NATS cannot be used. Check the address, the credentials, and that JetStream is on (nats.conf). */
export class ConnectError extends AlmanacError {
  readonly code = 'NATS_UNAVAILABLE';
  constructor(url: string, options: { cause: unknown }) {
    super(`cannot use NATS at ${withoutCredentials(url)}: ${(options.cause as Error).message}`, options);
  }
}

/** The server is there, but no Almanac has ever used it. */
export class NeverStartedError extends AlmanacError {
  readonly code = 'NEVER_STARTED';
  constructor(url: string) {
    super(`no Almanac has ever run on ${withoutCredentials(url)}: start one there with "almanac start", or set NATS_URL to another server`);
  }
}

/** A command of the CLI found no Almanac to talk to. */
export class NotRunningError extends AlmanacError {
  readonly code = 'NOT_RUNNING';
  constructor(dataDir: string) {
    super(`no Almanac is running on ${dataDir}: start one there with "almanac start", pick its folder with --data, or set NATS_URL`);
  }
}
