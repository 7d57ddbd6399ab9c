/** How soon something happens after it was asked for, at a steady pace, in milliseconds. */
import { setTimeout as delay } from 'node:timers/promises';
import { jobTypeId, type RunId, runId } from '../../src/domain/ids.ts';
import { benchHost } from './bench-host.ts';
import { oneStep } from './no-op.machines.ts';

export interface Latency {
  readonly p50: number;
  readonly p99: number;
}

interface Pace {
  readonly url: string;
  readonly perSecond: number;
  readonly seconds: number;
}

/** From the moment a command is published to the first line of its activity. */
export async function triggerLatency({ url, ...pace }: Pace): Promise<Latency> {
  const waits = new Waits();
  const nothing = async (_: unknown, { runId: run }: { runId: string }) => {
    waits.end(run);
    return null;
  };
  const { commands, host, close } = await benchHost(url, oneStep, { nothing });
  await host.start();
  await atPace(pace, async (run) => {
    waits.begin(run);
    await commands.start({ jobType: jobTypeId(oneStep.id), runId: run, input: {} });
  });
  await close();
  return waits.latency;
}

/** From the moment a cancel is published to the abort of the activity that is going on for the run. */
export async function cancelLatency({ url, ...pace }: Pace): Promise<Latency> {
  const waits = new Waits();
  const nothing = (_: unknown, { runId: run, signal }: { runId: string; signal: AbortSignal }) => {
    const { promise, reject } = Promise.withResolvers<never>();
    signal.addEventListener('abort', () => {
      waits.end(run);
      reject(signal.reason);
    });
    begun.get(run)!();
    return promise;
  };
  const begun = new Map<string, () => void>();
  const { commands, host, close } = await benchHost(url, oneStep, { nothing });
  await host.start();
  await atPace(pace, async (run) => {
    const address = { jobType: jobTypeId(oneStep.id), runId: run };
    const { promise, resolve } = Promise.withResolvers<void>();
    begun.set(run, resolve);
    await commands.start({ ...address, input: {} });
    await promise;
    waits.begin(run);
    await commands.signal(address, { event: { type: 'cancel' } });
  });
  await close();
  return waits.latency;
}

class Waits {
  readonly #begun = new Map<string, number>();
  readonly #ms: number[] = [];

  begin(run: string): void {
    this.#begun.set(run, performance.now());
  }

  end(run: string): void {
    this.#ms.push(performance.now() - this.#begun.get(run)!);
  }

  get latency(): Latency {
    const sorted = this.#ms.toSorted((a, b) => a - b);
    const at = (share: number) => sorted[Math.floor(sorted.length * share)] ?? Number.NaN;
    return { p50: at(0.5), p99: at(0.99) };
  }
}

async function atPace({ perSecond, seconds }: Omit<Pace, 'url'>, one: (run: RunId) => Promise<void>): Promise<void> {
  const batch = Date.now().toString(36);
  const from = performance.now();
  const all: Promise<void>[] = [];
  for (let n = 0; n < perSecond * seconds; n++) {
    await delay(Math.max(0, from + (n * 1000) / perSecond - performance.now())); // the pace is what is asked for here
    all.push(one(runId(`l${batch}-${n}`)));
  }
  await Promise.all(all);
}
