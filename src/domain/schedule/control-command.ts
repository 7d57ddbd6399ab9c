/** The body of a command for all schedules at once, as anybody may publish it: `cmd.control`. */
import { z } from 'zod';
import { InvalidCommandError } from '../errors.ts';
import { Actor } from '../run-event.ts';
import { parseCommandBody } from '../start-command.ts';

const ControlCommand = z.discriminatedUnion('do', [
  z.strictObject({ do: z.literal('pause'), note: z.string().max(1_024).optional(), actor: Actor.optional() }),
  z.strictObject({ do: z.literal('resume'), actor: Actor.optional() }),
]);
export type ControlCommand = z.output<typeof ControlCommand>;

/** @throws {InvalidCommandError} Says what is wrong with the body. Dead-letter it: it will never become right. */
export function parseControlCommand(body: Uint8Array): ControlCommand {
  const parsed = ControlCommand.safeParse(parseCommandBody(body));
  if (!parsed.success) throw new InvalidCommandError('COMMAND_INVALID', z.prettifyError(parsed.error), { cause: parsed.error });
  return parsed.data;
}
