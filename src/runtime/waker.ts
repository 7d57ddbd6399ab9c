/**
 * Parked runs wait in the server: their wake is a command that is handed back with a delay, so no process keeps anything for them. When
 * its time has come, the run gets a start command again, and so a place among those that may run at once.
 */
import { NOBODY } from '../domain/run.ts';
import { isFinal } from '../domain/statechart/snapshot.ts';
import { parseWake, type Wake } from '../domain/wake.ts';
import type { Clock, CommandSender, Lease, LeaseSource, RunLog } from './ports.ts';
import { bury, retryDelayMs, type UnusableOptions } from './unusable.ts';

export interface WakerOptions extends UnusableOptions {
  readonly commands: CommandSender;
  readonly leases: LeaseSource;
  readonly runs: RunLog;
  readonly clock: Clock;
}

/** The server counts elapsed time, which a suspend of the machine or a change of its clock does not move: so look now and then. */
const LONGEST_DELAY_MS = 15 * 60_000;

export class Waker {
  readonly #options: WakerOptions;

  constructor(options: WakerOptions) {
    this.#options = options;
  }

  /** Settles the lease. */
  async wake(lease: Lease): Promise<void> {
    const { clock, log } = this.#options;
    const wake = parseWake(lease.subject, lease.body);
    if (wake === undefined) {
      const reason = 'wakes are sent by Almanac alone: use cmd.<jobType>.signal.<runId> to tell a run something';
      return bury(this.#options, lease, { origin: 'command', jobType: 'unknown', code: 'COMMAND_INVALID', reason });
    }
    // First as long as whoever parked the run said: his clock and ours may differ.
    const remainingMs = lease.delivery === 1 ? wake.forMs : Date.parse(wake.until) - clock.now();
    if (remainingMs > 0) return lease.handBack(Math.min(remainingMs, LONGEST_DELAY_MS));
    try {
      await this.#continue(wake);
      lease.acknowledge();
    } catch (error) {
      log.error({ err: error, subject: lease.subject }, 'a run could not be woken; trying again');
      lease.handBack(retryDelayMs(1));
    }
  }

  /** Unless somebody holds it, or it has been parked anew: then another wake stands for it. */
  async #continue({ jobType, runId, until, lane }: Wake): Promise<void> {
    const { runs, commands, leases } = this.#options;
    const last = await runs.last(jobType, runId, 'exact');
    if (last === undefined || isFinal(last.event.data.snapshot)) return;
    const { parked, lease } = last.event.data;
    const needed = parked === undefined ? lease.command === NOBODY || !(await leases.exists(lease.command)) : parked.until === until;
    if (needed) await commands.again({ jobType, runId }, 'continue', { lane });
  }
}
