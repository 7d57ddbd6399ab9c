import { type Instant, instant } from '../domain/ids.ts';
import type { Clock } from '../runtime/ports.ts';
import { instantOf } from './instant-of.ts';

/** Time that moves when the test says so. What is due is called back in order, at its own time, as on a clock that runs. */
export class VirtualClock implements Clock {
  #now: Instant;
  readonly #alarms = new Set<{ readonly at: Instant; readonly callback: () => void }>();

  constructor(start: string) {
    this.#now = instantOf(start);
  }

  now(): Instant {
    return this.#now;
  }

  wakeAt(at: Instant, callback: () => void): () => void {
    const alarm = { at, callback };
    this.#alarms.add(alarm);
    if (at <= this.#now) setImmediate(() => this.#ring(alarm));
    return () => void this.#alarms.delete(alarm);
  }

  /** Runs to `until`, as fast as it can. */
  advanceTo(until: string): void {
    const end = instantOf(until);
    for (;;) {
      const [next] = [...this.#alarms].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#now = instant(Math.max(this.#now, next.at));
      this.#ring(next);
    }
    this.#now = end;
  }

  /** Is suddenly at `to`, earlier or later, as after a suspend or a correction. What became due is called back now. */
  jumpTo(to: string): void {
    this.#now = instantOf(to);
    for (const alarm of [...this.#alarms]) if (alarm.at <= this.#now) this.#ring(alarm);
  }

  /** When the next callback is due. */
  get nextAlarm(): string | undefined {
    const [next] = [...this.#alarms].sort((a, b) => a.at - b.at);
    return next && new Date(next.at).toISOString();
  }

  /** Something is due already, and is about to be called back. */
  get isRinging(): boolean {
    return [...this.#alarms].some(({ at }) => at <= this.#now);
  }

  #ring(alarm: { readonly callback: () => void }): void {
    if (this.#alarms.delete(alarm as never)) alarm.callback();
  }
}
