/** What a start command asks for, whoever reads it: its holder, or a signal that meets it in the queue. */
import type { RunId } from '../domain/ids.ts';
import type { Actor, Parent } from '../domain/run-event.ts';
import { parseInput, parseStartCommand } from '../domain/start-command.ts';
import type { RunnableJobType } from './job-types.ts';
import type { StoredCommand } from './ports.ts';

export interface StartRequest {
  readonly runId: RunId;
  readonly input: unknown;
  readonly actor?: Actor | undefined;
  readonly parent?: Parent | undefined;
  readonly again?: 'continue' | 'restart' | undefined;
  readonly traceparent?: string | undefined;
}

const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** @throws {InvalidCommandError} Nobody can carry it out. */
export function startRequestOf({ definition }: RunnableJobType, command: StoredCommand): StartRequest {
  const { key, input, actor, parent, again } = parseStartCommand(command.body);
  const { traceparent } = command.headers;
  return {
    runId: key ?? runIdOfCommand(command),
    input: again === undefined ? parseInput(definition.input, input) : undefined,
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

/** A command without a key names its run by its place in the stream: each delivery of it means the same run (invariant 5). */
const runIdOfCommand = ({ command, publishedAt }: StoredCommand) => `cmd-${publishedAt.toString(36)}-${command}` as RunId;
