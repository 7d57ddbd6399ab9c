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
    let timer: NodeJS.Timeout;
    const sleep = () => {
      const remainingMs = at - now();
      timer = setTimeout(remainingMs <= 0 ? callback : sleep, Math.max(0, Math.min(remainingMs, LONGEST_SLEEP_MS)));
    };
    sleep();
    return () => clearTimeout(timer);
  },
};
