/** The body of a signal, as anybody may publish it: `cmd.<jobType>.signal.<runId>`. It asks a run's statechart to hear an event. */
import { z } from 'zod';
import { InvalidCommandError } from './errors.ts';
import { Actor } from './run-event.ts';
import { parseCommandBody } from './start-command.ts';

export const Signal = z.strictObject({
  /** What the statechart hears: `{ "type": "cancel" }`, or whatever it listens to. */
  event: z.looseObject({ type: z.string().min(1).max(128) }),
  actor: Actor.optional(),
  /** The run may not be interested (any more): then nothing happens, and nobody is told. */
  optional: z.boolean().optional(),
});
export type Signal = z.output<typeof Signal>;

/** @throws {InvalidCommandError} Says what is wrong with the body. Dead-letter it: it will never become right. */
export function parseSignal(body: Uint8Array): Signal {
  const parsed = Signal.safeParse(parseCommandBody(body));
  if (!parsed.success) throw new InvalidCommandError('SIGNAL_INVALID', z.prettifyError(parsed.error), { cause: parsed.error });
  return parsed.data;
}

/** Ends every run, whatever its statechart listens to. */
export const CANCEL = 'cancel';
/** Has a run that waits between two attempts make the next one now, if its statechart listens to it. */
export const RETRY = 'retry';
/** What a parent hears of each child that has ended. */
export const CHILD_FINISHED = 'child.finished';

export interface ChildFinished {
  readonly type: typeof CHILD_FINISHED;
  /** The child's run id. */
  readonly child: string;
  readonly jobType: string;
  /** Name of its final state. */
  readonly outcome: string;
  /** Absent when it is large: it is in the child's history. */
  readonly output?: unknown;
}
