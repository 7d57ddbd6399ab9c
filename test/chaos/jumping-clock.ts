/** The clock of a process whose time is wrong, and put right or wrong again while it runs. */
import { type Instant, instant } from '../../src/domain/ids.ts';
import type { Clock } from '../../src/runtime/ports.ts';

interface Alarm {
  readonly at: Instant;
  readonly callback: () => void;
  timer: NodeJS.Timeout;
}

const LONGEST_SLEEP_MS = 60_000;

export class JumpingClock implements Clock {
  #offsetMs: number;
  readonly #alarms = new Set<Alarm>();

  /** @param offsetMs How far it is ahead of the machine's clock. */
  constructor(offsetMs: number) {
    this.#offsetMs = offsetMs;
  }

  now(): Instant {
    return instant(Date.now() + this.#offsetMs);
  }

  wakeAt(at: Instant, callback: () => void): () => void {
    const alarm: Alarm = { at, callback, timer: setTimeout(() => this.#look(alarm), this.#sleepMs(at)) };
    this.#alarms.add(alarm);
    return () => {
      clearTimeout(alarm.timer);
      this.#alarms.delete(alarm);
    };
  }

  /** What is due by the new time is called back now. */
  jumpTo(offsetMs: number): void {
    this.#offsetMs = offsetMs;
    for (const alarm of [...this.#alarms]) {
      clearTimeout(alarm.timer);
      this.#look(alarm);
    }
  }

  #look(alarm: Alarm): void {
    if (!this.#alarms.has(alarm)) return;
    if (this.now() < alarm.at) {
      alarm.timer = setTimeout(() => this.#look(alarm), this.#sleepMs(alarm.at));
      return;
    }
    this.#alarms.delete(alarm);
    alarm.callback();
  }

  #sleepMs = (at: Instant): number => Math.min(Math.max(0, at - this.now()), LONGEST_SLEEP_MS);
}
