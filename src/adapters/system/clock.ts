/** The only place that asks what time it is. */
import { type Instant, instant } from '../../domain/ids.ts';
import type { Clock } from '../../runtime/ports.ts';

/**
 * `setTimeout` counts neither a suspend of the machine nor a jump of the wall clock, so look at the clock now and then: well within the
 * grace in which a missed occurrence is still started (scheduler.ts).
 */
const LONGEST_SLEEP_MS = 60_000;

const now = (): Instant => instant(Date.now());

export const systemClock: Clock = {
  now,
  wakeAt(at, callback) {
    if (at <= now()) {
      const turn = setImmediate(callback); // a timer would take a millisecond
      return () => clearImmediate(turn);
    }
    let timer: NodeJS.Timeout;
    const sleep = () => {
      timer = setTimeout(look, Math.max(0, Math.min(at - now(), LONGEST_SLEEP_MS)));
    };
    // Timers run on another clock than `now` and may be a millisecond early by it.
    const look = () => (now() < at ? sleep() : callback());
    sleep();
    return () => clearTimeout(timer);
  },
};
