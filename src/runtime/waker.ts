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
  /** The server counts elapsed time, which a suspend of the machine or a change of its clock does not move: so look now and then. */
  readonly longestWakeDelayMs?: number;
}

const LONGEST_DELAY_MS = 15 * 60_000;
/** Soon, where two clocks do not agree that the time has come: the one that is wrong may be put right at any moment. */
const FIRST_LOOK_MS = 1_000;

export class Waker {
  readonly #options: WakerOptions;

  constructor(options: WakerOptions) {
    this.#options = options;
  }

  /** Settles the lease. */
  async wake(lease: Lease): Promise<void> {
    const { clock, commands, log, longestWakeDelayMs = LONGEST_DELAY_MS } = this.#options;
    const wake = parseWake(lease.subject, lease.body);
    if (wake === undefined) {
      const reason = 'wakes are sent by Almanac alone: use cmd.<jobType>.signal.<runId> to tell a run something';
      return bury(this.#options, lease, { origin: 'command', jobType: 'unknown', code: 'COMMAND_INVALID', reason });
    }
    // First as long as whoever parked the run said: his clock and ours may differ.
    const remainingMs = lease.delivery === 1 ? wake.forMs : Date.parse(wake.until) - clock.now();
    const delayMs = Math.min(remainingMs, delayWithin(longestWakeDelayMs, lease.delivery, wake.forMs));
    if (lease.delivery === 1 && delayMs > 0) return lease.handBack(delayMs);
    try {
      const stands = await this.#stands(wake);
      if (stands && delayMs > 0) return lease.handBack(delayMs);
      if (stands) await commands.again(wake, 'continue', { lane: wake.lane });
      lease.acknowledge();
    } catch (error) {
      log.error({ err: error, subject: lease.subject }, 'a run could not be woken; trying again');
      lease.handBack(retryDelayMs(1));
    }
  }

  /** Whether the wake still stands: nobody holds the run, and it has not been parked anew, for then another wake stands for it. */
  async #stands({ jobType, runId, until }: Wake): Promise<boolean> {
    const { runs, leases } = this.#options;
    const last = await runs.last(jobType, runId, 'exact');
    if (last === undefined || isFinal(last.event.data.snapshot)) return false;
    const { parked, lease } = last.event.data;
    return parked === undefined ? lease.command === NOBODY || !(await leases.exists(lease.command)) : parked.until === until;
  }
}

/** Once the wait is over by the clock of whoever parked the run, soon, and then less and less often. */
function delayWithin(longestMs: number, delivery: number, forMs: number): number {
  const looksSince = delivery - 1 - Math.ceil(forMs / longestMs);
  return looksSince < 0 ? longestMs : Math.min(longestMs, FIRST_LOOK_MS * 2 ** looksSince);
}
