/** The only place that asks what time it is. */
import { type Instant, instant } from '../../domain/ids.ts';
import type { Clock } from '../../runtime/ports.ts';

/** Node cuts longer delays down to 1 ms. An hour also notices sooner that the wall clock was moved. */
const LONGEST_SLEEP_MS = 60 * 60_000;

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
