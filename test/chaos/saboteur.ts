/** Makes things go wrong, and right again. */
import { setTimeout as delay } from 'node:timers/promises';
import type { TestServer } from '../support/nats-server.ts';
import type { Outage } from './evidence.ts';
import type { Fleet } from './fleet.ts';
import type { Fault } from './plan.ts';

const SLOW_DISK_DELAY_MS = 20;
/** Until a process is heard and hears again, once it could. */
const RECONNECTING_MS = 2_000;

export class Saboteur {
  readonly #server: TestServer;
  readonly #fleet: Fleet;
  readonly #going = new Set<Promise<unknown>>();
  readonly counts: Partial<Record<Fault['kind'], number>> = {};
  /** Processes whose clock was set back at some time. */
  readonly clocksSetBack = new Set<string>();
  readonly outages: Outage[] = [];
  /** Where all clocks come together in the end, in milliseconds ahead of the machine's. */
  #offsetMs = 0;
  #serverBusy: Promise<unknown> = Promise.resolve();

  constructor(server: TestServer, fleet: Fleet) {
    this.#server = server;
    this.#fleet = fleet;
  }

  /** Resolves when it has gone wrong. What lasts goes on beside the next faults; {@link settled} waits for it. */
  async commit(fault: Fault): Promise<void> {
    this.counts[fault.kind] = (this.counts[fault.kind] ?? 0) + 1;
    switch (fault.kind) {
      case 'kill':
        return this.#fleet.workers[fault.worker]!.replace('SIGKILL', this.#offsetMs);
      case 'end': // activities are short, but its connection may be cut just now: go on
        return this.#goOn(this.#fleet.workers[fault.worker]!.replace('SIGTERM', this.#offsetMs));
      case 'stop': {
        const { source, goOn } = await this.#fleet.workers[fault.worker]!.pause();
        return this.#goOn(this.#out(source, delay(fault.ms)).then(goOn));
      }
      case 'cut': {
        const { proxy, ready } = this.#fleet.workers[fault.worker]!;
        proxy.cut();
        return this.#out(await ready, Promise.resolve());
      }
      case 'partition': {
        const { proxy, ready } = this.#fleet.workers[fault.worker]!;
        proxy.swallowEverything();
        const over = delay(fault.ms).then(() => proxy.cut()); // else it would be the client's pings that find out
        return this.#goOn(ready.then((source) => this.#out(source, over)));
      }
      case 'delay': {
        const { proxy, ready } = this.#fleet.workers[fault.worker]!;
        proxy.delay(fault.delayMs);
        const over = delay(fault.ms).then(() => proxy.delay(0));
        return this.#goOn(ready.then((source) => this.#out(source, over)));
      }
      case 'restart':
        return this.#out(
          undefined,
          this.#withServer(() => this.#server.restart({ signal: fault.signal })),
        );
      case 'slow disk':
        return this.#goOn(
          this.#out(
            undefined,
            this.#withServer(() => this.#slowDisk(fault.bursts)),
          ),
        );
      case 'jump': {
        const { source, byMs } = await this.#fleet.workers[fault.worker]!.setClock(this.#offsetMs + fault.byMs);
        if (byMs < 0) this.clocksSetBack.add(source);
        this.#offsetMs = Math.max(this.#offsetMs, this.#offsetMs + fault.byMs);
        return this.#goOn(delay(fault.othersFollowMs).then(() => this.setClocks(0)));
      }
    }
  }

  /** All clocks to the same time: so much later than the latest of them. */
  async setClocks(aheadMs: number): Promise<void> {
    this.#offsetMs += aheadMs;
    for (const worker of this.#fleet.workers) {
      const { source, byMs } = await worker.setClock(this.#offsetMs);
      if (byMs < 0) this.clocksSetBack.add(source);
    }
  }

  /** Resolves when everything that was to last for a while is over, and every worker works. */
  async settled(): Promise<void> {
    await Promise.all(this.#going);
    await Promise.all(this.#fleet.workers.map(({ ready }) => ready));
  }

  async #out(source: Outage['source'], lasting: Promise<unknown>): Promise<void> {
    const from = Date.now();
    await lasting;
    this.outages.push({ source, from, to: Date.now() + RECONNECTING_MS });
  }

  #goOn(lasting: Promise<unknown>): void {
    const going = lasting.finally(() => this.#going.delete(going));
    this.#going.add(going);
  }

  /** One after the other: a server that is stopped for a moment cannot be told to end. */
  #withServer(work: () => Promise<void>): Promise<void> {
    const done = this.#serverBusy.then(work);
    this.#serverBusy = done;
    return done;
  }

  async #slowDisk(bursts: readonly { readonly stopMs: number; readonly goMs: number }[]): Promise<void> {
    for (const { proxy } of this.#fleet.workers) proxy.delay(SLOW_DISK_DELAY_MS);
    for (const { stopMs, goMs } of bursts) {
      process.kill(this.#server.pid, 'SIGSTOP');
      await delay(stopMs);
      process.kill(this.#server.pid, 'SIGCONT');
      await delay(goMs);
    }
    for (const { proxy } of this.#fleet.workers) proxy.delay(0);
  }
}
