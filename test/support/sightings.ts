import type { Log } from '../../src/runtime/ports.ts';

/** What a test waits for instead of sleeping: things seen, by name, each with whatever came with it. */
export class Sightings {
  readonly #seen = new Map<string, unknown[]>();
  readonly #waiting = new Set<{ readonly name: string; readonly times: number; readonly proceed: () => void }>();

  saw(name: string, what?: unknown): void {
    const all = this.of(name);
    all.push(what);
    this.#seen.set(name, all);
    for (const waiting of this.#waiting) {
      if (waiting.name !== name || all.length < waiting.times) continue;
      this.#waiting.delete(waiting);
      waiting.proceed();
    }
  }

  of(name: string): unknown[] {
    return this.#seen.get(name) ?? [];
  }

  /** Resolves once it was seen so often, counted from the beginning. */
  async times(name: string, times = 1): Promise<unknown[]> {
    if (this.of(name).length < times) await new Promise<void>((proceed) => this.#waiting.add({ name, times, proceed }));
    return this.of(name);
  }
}

/** Logged lines become sightings by their level; information is dropped. */
export const sightingLog = (seen: Sightings): Log => ({
  debug: () => undefined,
  info: () => undefined,
  warn: (facts, message) => seen.saw('warning', { ...facts, message }),
  error: (facts, message) => seen.saw('error', { ...facts, message }),
});
