/** What a start command asks for, whoever reads it: its holder, or a signal that meets it in the queue. */
import type { Instant, RunId } from '../domain/ids.ts';
import type { Actor, Parent } from '../domain/run-event.ts';
import { parseInput, parseStartCommand, startDeadline } from '../domain/start-command.ts';
import type { RunnableJobType } from './job-types.ts';
import type { StoredCommand } from './ports.ts';

export interface StartRequest {
  readonly runId: RunId;
  /** As it was sent. */
  readonly input: unknown;
  /** By the job type's schema of today. A run that exists may have begun with another. @throws {InvalidCommandError} */
  readonly parse: (input: unknown) => unknown;
  readonly actor?: Actor | undefined;
  readonly parent?: Parent | undefined;
  /** The run is expected to exist. */
  readonly again?: 'continue' | 'restart' | undefined;
  readonly traceparent?: string | undefined;
  /** After this the run must not begin any more. One that has begun goes on. */
  readonly startBy?: Instant | undefined;
}

const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** @throws {InvalidCommandError} Nobody can carry it out. */
export function startRequestOf({ definition }: RunnableJobType, command: StoredCommand): StartRequest {
  const parsed = parseStartCommand(command.body);
  const { key, input, actor, parent, again } = parsed;
  const { traceparent } = command.headers;
  return {
    runId: key ?? runIdOfCommand(command),
    startBy: startDeadline(parsed, command.publishedAt, definition.queueTimeoutMs),
    input,
    parse: (given) => parseInput(definition.input, given),
    actor,
    parent,
    again,
    traceparent: traceparent !== undefined && TRACEPARENT.test(traceparent) ? traceparent : undefined,
  };
}

/** Undefined: it starts no run, because it is for one that exists, or will be refused. */
export function queuedRunId(command: StoredCommand): RunId | undefined {
  try {
    const { key, again } = parseStartCommand(command.body);
    return again === undefined ? (key ?? runIdOfCommand(command)) : undefined;
  } catch {
    return undefined;
  }
}

/** Undefined: nobody can carry it out. */
export function runMeantBy(command: StoredCommand): RunId | undefined {
  try {
    return parseStartCommand(command.body).key ?? runIdOfCommand(command);
  } catch {
    return undefined;
  }
}

/** A command without a key names its run by its place in the stream: each delivery of it means the same run (invariant 5). */
const runIdOfCommand = ({ command, publishedAt }: StoredCommand) => `cmd-${publishedAt.toString(36)}-${command}` as RunId;
