/** From the moment a command is published to the first line of its activity, at a steady pace, in milliseconds. */
import { setTimeout as delay } from 'node:timers/promises';
import { jobTypeId, runId } from '../../src/domain/ids.ts';
import { benchHost } from './bench-host.ts';
import { oneStep } from './no-op.machines.ts';

export interface Latency {
  readonly p50: number;
  readonly p99: number;
}

export async function triggerLatency({ url, perSecond, seconds }: { url: string; perSecond: number; seconds: number }): Promise<Latency> {
  const publishedAt = new Map<string, number>();
  const waits: number[] = [];
  const nothing = (_: unknown, { runId: run }: { runId: string }) => {
    waits.push(performance.now() - publishedAt.get(run)!);
    return Promise.resolve(null);
  };
  const { commands, host, close } = await benchHost(url, oneStep, { nothing });
  await host.start();
  const batch = Date.now().toString(36);
  const from = performance.now();
  const sent: Promise<void>[] = [];
  for (let n = 0; n < perSecond * seconds; n++) {
    await delay(Math.max(0, from + (n * 1000) / perSecond - performance.now())); // the pace is what is asked for here
    const run = runId(`l${batch}-${n}`);
    publishedAt.set(run, performance.now());
    sent.push(commands.start({ jobType: jobTypeId(oneStep.id), runId: run, input: {} }));
  }
  await Promise.all(sent);
  await close();
  waits.sort((a, b) => a - b);
  const at = (share: number) => waits[Math.floor(waits.length * share)] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99) };
}
