/** The body of a start command, as anybody may publish it: `cmd.<jobType>.start.<lane>`. An empty body is `{}`. */
import { z } from 'zod';
import { InvalidCommandError } from './errors.ts';
import { type Instant, isSafeToken, type RunId } from './ids.ts';
import { Actor, Parent } from './run-event.ts';

export const StartCommand = z
  .strictObject({
    /** Idempotency key: it becomes the run's id, so the same key never starts a second run (invariant 5). */
    key: z
      .string()
      .refine(isSafeToken, 'must be lower-case letters, digits, "-" and "_", starting with a letter or digit, at most 128')
      .transform((key) => key as RunId)
      .optional(),
    /** For the job type's own schema. @default {} */
    input: z.unknown().optional(),
    actor: Actor.optional(),
    /** The run that is told of the end of this one. */
    parent: Parent.optional(),
    /**
     * For a run that exists: `continue` holds it again, because nobody does; `restart` begins it anew, if it has ended and that was
     * a failure (failed, cancelled, expired, timedOut). Either needs the key and takes no input.
     */
    again: z.enum(['continue', 'restart']).optional(),
    /** ISO 8601 with a zone, e.g. `2026-11-23T03:00:00Z`: after it nobody wants the run to begin any more. One that has begun goes on. */
    expires: z.iso.datetime({ offset: true, error: 'must be an ISO 8601 instant with a zone, e.g. 2026-11-23T03:00:00Z' }).optional(),
  })
  .refine(({ again, key }) => again === undefined || key !== undefined, '"again" needs the key of a run');
export type StartCommand = z.output<typeof StartCommand>;

/** The run that a command would have started, whatever is wrong with the rest of it; undefined: it names none. Never throws. */
export const runNamedIn = (body: Uint8Array): RunId | undefined => looselyParsed(z.looseObject({ key: StartCommand.shape.key }), body)?.key;

/** As {@link runNamedIn}, of a child. */
export function childNamedIn(body: Uint8Array): { readonly runId: RunId; readonly parent: Parent } | undefined {
  const named = looselyParsed(z.looseObject({ key: StartCommand.shape.key, parent: Parent }), body);
  return named?.key && { runId: named.key, parent: named.parent };
}

function looselyParsed<Schema extends z.ZodType>(schema: Schema, body: Uint8Array): z.output<Schema> | undefined {
  try {
    return schema.parse(JSON.parse(decoder.decode(body)));
  } catch {
    return undefined;
  }
}

/** State is small: what does not fit into an event does not fit into a command either. */
export const MAX_INPUT_BYTES = 48 * 1024;

const decoder = new TextDecoder('utf-8', { fatal: true });

/** @throws {InvalidCommandError} Says what is wrong with the body. Dead-letter it: it will never become right. */
export function parseStartCommand(body: Uint8Array): StartCommand {
  const parsed = StartCommand.safeParse(parseCommandBody(body));
  if (!parsed.success) throw new InvalidCommandError('COMMAND_INVALID', z.prettifyError(parsed.error), { cause: parsed.error });
  return parsed.data;
}

/**
 * What every command has in common: JSON in UTF-8, and small. An empty body is `{}`.
 * @throws {InvalidCommandError} as {@link parseStartCommand}
 */
export function parseCommandBody(body: Uint8Array): unknown {
  if (body.byteLength > MAX_INPUT_BYTES) {
    throw new InvalidCommandError(
      'COMMAND_TOO_LARGE',
      `the body has ${body.byteLength} bytes, at most ${MAX_INPUT_BYTES} are allowed: pass a reference to large data`,
    );
  }
  let text: string;
  try {
    text = decoder.decode(body);
  } catch (cause) {
    throw new InvalidCommandError('COMMAND_NOT_UTF8', 'the body is not UTF-8', { cause });
  }
  try {
    return text.trim() === '' ? {} : JSON.parse(text);
  } catch (cause) {
    throw new InvalidCommandError('COMMAND_NOT_JSON', `the body is not JSON: ${(cause as SyntaxError).message}`, { cause });
  }
}

/** After this no run may begin for the command; undefined: it may wait for ever. @param publishedAt When it was stored. */
export function startDeadline({ expires }: StartCommand, publishedAt: Instant, queueTimeoutMs?: number): Instant | undefined {
  const wantedUntil = expires === undefined ? undefined : Date.parse(expires);
  if (queueTimeoutMs === undefined) return wantedUntil as Instant | undefined;
  const waitsUntil = publishedAt + queueTimeoutMs;
  return Math.min(waitsUntil, wantedUntil ?? waitsUntil) as Instant;
}

/**
 * The same request for a run that exists: its id becomes the key, which a command may have come without (invariant 5).
 * @throws {InvalidCommandError} as {@link parseStartCommand}
 */
export function commandForRun(body: Uint8Array, runId: RunId): Uint8Array {
  const command = parseStartCommand(body);
  return command.key === runId ? body : new TextEncoder().encode(JSON.stringify({ ...command, key: runId }));
}

/** Begins a run anew that has failed, in the same history. @param actor Who wants it. */
export const restartCommand = (key: RunId, actor?: Actor): Uint8Array =>
  new TextEncoder().encode(JSON.stringify({ key, again: 'restart', actor } satisfies StartCommand));

/**
 * The job type's own schema over the command's input.
 * @throws {InvalidCommandError} as {@link parseStartCommand}
 */
export function parseInput(schema: z.ZodType, input: unknown): unknown {
  const parsed = schema.safeParse(input ?? {});
  if (!parsed.success) throw new InvalidCommandError('INPUT_INVALID', z.prettifyError(parsed.error), { cause: parsed.error });
  const text = JSON.stringify(parsed.data); // as the log will say it, should the schema make a date of a text
  return text === undefined ? undefined : JSON.parse(text);
}
