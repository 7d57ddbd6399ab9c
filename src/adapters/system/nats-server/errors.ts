import { AlmanacError } from '../../../domain/errors.ts';

/** No NATS Server binary could be found or installed. */
export class NatsServerNotFoundError extends AlmanacError {
  readonly code = 'NATS_SERVER_NOT_FOUND';
  /** What was tried, in order, and why it did not help. */
  readonly attempts: readonly { source: string; problem: string }[];
  constructor(attempts: readonly { source: string; problem: string }[], { atLeast, because }: { atLeast: string; because?: string }) {
    const tried = attempts.map(({ source, problem }) => `  - ${source}: ${problem}`).join('\n');
    super(
      `found no NATS Server of version ${atLeast} or newer${because === undefined ? '' : ` (${because})`}. Tried, in this order:\n${tried}\n` +
        'Do one of these: set NATS_URL to a server that is already running; set NATS_SERVER to the path of a nats-server binary; install ' +
        'nats-server so that it is on PATH; or connect this machine to the internet and start again.',
    );
    this.attempts = attempts;
  }
}

/** NATS_SERVER names a file that cannot be used. It was named on purpose, so nothing else is tried. */
export class UnusableNatsServerError extends AlmanacError {
  readonly code = 'NATS_SERVER_UNUSABLE';
  readonly path: string;
  readonly problem: string;
  constructor(path: string, problem: string) {
    super(`NATS_SERVER is ${path}: ${problem}. Set it to a nats-server binary, or unset it to let Almanac find one`);
    this.path = path;
    this.problem = problem;
  }
}

/** The server at NATS_URL lacks what our guarantees need. */
export class UnsupportedNatsServerError extends AlmanacError {
  readonly code = 'NATS_SERVER_UNSUPPORTED';
  readonly url: string;
  readonly version: string;
  constructor(url: string, version: string, problem: string) {
    super(`the NATS server at ${url} cannot be used: ${problem}. Upgrade it, or unset NATS_URL to let Almanac start its own`);
    this.url = url;
    this.version = version;
  }
}

/** The embedded NATS server did not start, or one that runs on our data does not answer. The message ends with its last log lines. */
export class NatsServerStartError extends AlmanacError {
  readonly code = 'NATS_SERVER_START_FAILED';
  readonly logFile: string;
  constructor(problem: string, logFile: string, lastLines: string, options?: ErrorOptions) {
    super(`the embedded NATS server ${problem}. Its log, ${logFile}, ends with:\n${lastLines || '(nothing)'}`, options);
    this.logFile = logFile;
  }
}
