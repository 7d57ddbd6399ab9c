/** `cmd.control`: what concerns all schedules at once. */
import { z } from 'zod';
import { InvalidCommandError } from '../domain/errors.ts';
import { Actor } from '../domain/run-event.ts';
import { parseCommandBody } from '../domain/start-command.ts';
import type { Lease } from './ports.ts';
import type { StandstillKeeper } from './standstill-keeper.ts';
import { bury, REPLY_TO, retryDelayMs, type UnusableOptions } from './unusable.ts';

export const ControlCommand = z.discriminatedUnion('do', [
  z.strictObject({ do: z.literal('pause'), note: z.string().max(1_024).optional(), actor: Actor.optional() }),
  z.strictObject({ do: z.literal('resume'), actor: Actor.optional() }),
]);
export type ControlCommand = z.output<typeof ControlCommand>;

export class ControlDesk {
  readonly #options: UnusableOptions & { readonly keeper: StandstillKeeper };

  constructor(options: UnusableOptions & { readonly keeper: StandstillKeeper }) {
    this.#options = options;
  }

  /** Settles the lease. Carrying it out twice is harmless. */
  async hear(lease: Lease): Promise<void> {
    const { keeper, announcer, log } = this.#options;
    try {
      const command = parsed(lease.body);
      if (command.do === 'pause') await keeper.pause(command.note, command.actor);
      else await keeper.resume(command.actor);
      lease.acknowledge();
      const replyTo = lease.headers[REPLY_TO];
      if (replyTo !== undefined) announcer.accept(replyTo, { state: keeper.state.now === undefined ? 'active' : 'paused', outcome: null });
    } catch (error) {
      if (error instanceof InvalidCommandError) {
        const { code, message: reason } = error;
        return bury(this.#options, lease, { origin: 'command', jobType: 'schedule', code, reason });
      }
      log.error({ err: error, subject: lease.subject }, 'a command for all schedules could not be carried out; trying again');
      lease.handBack(retryDelayMs(lease.delivery));
    }
  }
}

/** @throws {InvalidCommandError} Says what is wrong with the body. */
function parsed(body: Uint8Array): ControlCommand {
  const { success, data, error } = ControlCommand.safeParse(parseCommandBody(body));
  if (!success) throw new InvalidCommandError('COMMAND_INVALID', z.prettifyError(error), { cause: error });
  return data;
}
