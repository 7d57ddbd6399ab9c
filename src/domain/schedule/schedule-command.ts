/** The body of a command for a schedule, as anybody may publish it: `cmd.schedule.<scheduleId>`. */
import { z } from 'zod';
import { InvalidCommandError } from '../errors.ts';
import { isSafeToken, type JobTypeId, type RunId } from '../ids.ts';
import { LANES } from '../job-type.ts';
import { Actor } from '../run-event.ts';
import { parseCommandBody } from '../start-command.ts';
import { OVERLAPS } from './schedule.ts';

const YEAR_MS = 366 * 24 * 3_600_000;
const Milliseconds = z.int().min(0).max(YEAR_MS);
const token = <Id extends string>() =>
  z.custom<Id>(
    (text) => typeof text === 'string' && isSafeToken(text),
    'must be lower-case letters, digits, "-" and "_", starting with a letter or digit, at most 128',
  );
const CatchUpChange = z.strictObject({
  policy: z.enum(['none', 'latest', 'all']).optional(),
  windowMs: Milliseconds.optional(),
  cap: z.int().min(1).max(10_000).optional(),
  dripMs: Milliseconds.optional(),
});

/** What may be said about a schedule; the rest is as it was, or the default. `null` is the default again. */
export const SpecChange = z.strictObject({
  jobType: token<JobTypeId>().optional(),
  /** As of `parseTiming`: `{ "cron": "0 3 * * *" }`. A schedule's timing is replaced as a whole. */
  timing: z.looseObject({}).optional(),
  input: z.unknown().optional(),
  lane: z.enum(LANES).nullish(),
  catchUp: CatchUpChange.nullish(),
  overlap: z.enum(OVERLAPS).nullish(),
  pauseAfterFailures: z.int().min(0).max(1_000).nullish(),
  runId: token<RunId>().optional(),
  description: z.string().max(1_024).nullish(),
});
export type SpecChange = z.output<typeof SpecChange>;

const iso = z.iso.datetime({ offset: true, error: 'must be an ISO 8601 instant with a zone, e.g. 2026-11-23T03:00:00Z' });
const by = { actor: Actor.optional() };
/** The command is for that revision of the schedule only. */
const on = { revision: z.int().min(1).optional() };

export const ScheduleCommand = z.discriminatedUnion('do', [
  z.strictObject({ do: z.literal('create'), spec: SpecChange, ...by }),
  z.strictObject({ do: z.literal('update'), spec: SpecChange, ...on, ...by }),
  z.strictObject({ do: z.literal('pause'), note: z.string().max(1_024).optional(), ...by }),
  z.strictObject({ do: z.literal('resume'), ...by }),
  z.strictObject({ do: z.literal('delete'), ...on, ...by }),
  /** One run now. @param overlap What is done about one that is on. @default allow-all: whoever asks means it */
  z.strictObject({ do: z.literal('trigger'), key: token<RunId>().optional(), overlap: z.enum(OVERLAPS).optional(), ...by }),
  z.strictObject({ do: z.literal('backfill'), from: iso, to: iso, ...by }),
]);
export type ScheduleCommand = z.output<typeof ScheduleCommand>;

/** @throws {InvalidCommandError} Says what is wrong with the body. Dead-letter it: it will never become right. */
export function parseScheduleCommand(body: Uint8Array): ScheduleCommand {
  const parsed = ScheduleCommand.safeParse(parseCommandBody(body));
  if (!parsed.success) throw new InvalidCommandError('COMMAND_INVALID', z.prettifyError(parsed.error), { cause: parsed.error });
  return parsed.data;
}
