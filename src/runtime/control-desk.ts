/** `cmd.control`: what concerns all schedules at once. */
import { InvalidCommandError } from '../domain/errors.ts';
import { parseControlCommand } from '../domain/schedule/control-command.ts';
import type { Lease } from './ports.ts';
import type { StandstillKeeper } from './standstill-keeper.ts';
import { bury, REPLY_TO, retryDelayMs, type UnusableOptions } from './unusable.ts';

export class ControlDesk {
  readonly #options: UnusableOptions & { readonly keeper: StandstillKeeper };

  constructor(options: UnusableOptions & { readonly keeper: StandstillKeeper }) {
    this.#options = options;
  }

  /** Settles the lease. Carrying it out twice is harmless. */
  async hear(lease: Lease): Promise<void> {
    const { keeper, announcer, log } = this.#options;
    try {
      const command = parseControlCommand(lease.body);
      if (command.do === 'pause') await keeper.pause(command.note, command.actor);
      else {
        await keeper.resume(command.actor);
        await keeper.check(); // else a pause file that is still there would pause again only when something is due
      }
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
