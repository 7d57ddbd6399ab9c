/**
 * `npm run bench [rounds]`: what Almanac does per second, each beside a raw limit measured in the same round, as a ratio. The raw limit
 * is a hand-written loop on a socket without any library (`raw/`), so 1.00 cannot be reached. Absolute figures drift with the machine;
 * the medians of ratios from one run hold.
 *
 * What this does not measure: a network, replicas, fsync on every message (JetStream flushes every two minutes by default), activities
 * that do something, several processes.
 */
import { startTestServer } from '../support/nats-server.ts';
import { ownAppends, stockAppends } from './appends.ts';
import { cancelLatency, type Latency, triggerLatency } from './latency.ts';
import { oneStep, threeStep } from './no-op.machines.ts';
import { profiled } from './profile.ts';
import { casAppends, orderedReplay, runLoop, type Target } from './raw/limits.ts';
import type { Figure } from './raw/measure.ts';
import { plainReplay, verifyingReplay } from './replay.ts';
import { productRuns } from './runs.ts';

const ROUNDS = Number(process.argv[2] ?? 5);
if (!Number.isSafeInteger(ROUNDS) || ROUNDS < 1) {
  process.stderr.write('usage: npm run bench [rounds], a whole number from 1 on; 5 if left out\n');
  process.exit(2);
}
const APPENDS = { count: 40_000, inFlight: 512 };
const RUNS = { runs: 20_000, slots: 100 };
const RAW_RUNS = { runs: 20_000, inFlight: 100 };

interface Comparison {
  readonly name: string;
  readonly raw: (target: Target) => Promise<Figure>;
  readonly product: (target: Target) => Promise<Figure>;
  /** Ratio to reach: first aims of the foundation issue. */
  readonly aim?: number;
}

const rawReplay = (target: Target) => orderedReplay({ ...target, stream: 'EVENTS', filter: 'evt.run.>' });
const comparisons: readonly Comparison[] = [
  { name: 'CAS appends, js.publish', raw: (at) => casAppends({ ...at, ...APPENDS }), product: (at) => stockAppends({ ...at, ...APPENDS }) },
  {
    name: 'CAS appends, own publisher',
    raw: (at) => casAppends({ ...at, ...APPENDS }),
    product: (at) => ownAppends({ ...at, ...APPENDS }),
  },
  {
    name: 'one-step runs (2 events)',
    raw: (at) => runLoop({ ...at, ...RAW_RUNS, events: 2 }),
    product: (at) => productRuns({ ...at, ...RUNS, jobType: oneStep }),
    aim: 0.35,
  },
  {
    name: 'three-step runs (4 events)',
    raw: (at) => runLoop({ ...at, ...RAW_RUNS, events: 4 }),
    product: (at) => productRuns({ ...at, ...RUNS, jobType: threeStep }),
    aim: 0.3,
  },
  { name: 'ordered replay, events', raw: rawReplay, product: plainReplay, aim: 0.7 },
  { name: 'replay with fold, events', raw: rawReplay, product: verifyingReplay },
];

process.stdout.write(`Node ${process.version}, ${ROUNDS} rounds; medians; CPU is of the client process and of the server\n\n`);
// A server of their own for the appends: what they leave in the log is not what a replay reads.
await onServer((target) => report(target, comparisons.slice(0, 2)));
await onServer(async (target) => {
  await productRuns({ ...target, jobType: oneStep, runs: 5_000, slots: RUNS.slots }); // compiled code before the clock
  await report(target, comparisons.slice(2));
  process.stdout.write('\nAt 50 a second:\n');
  reportLatency('command → first activity', await triggerLatency({ url: target.url, perSecond: 50, seconds: 20 }), { p50: 2, p99: 10 });
  reportLatency('cancel → activity told', await cancelLatency({ url: target.url, perSecond: 50, seconds: 10 }), { p50: 100, p99: 100 });
  process.stdout.write('\nWhere the time of a one-step run goes (CPU profile of the client process):\n');
  const around = async (work: () => Promise<Figure>) => {
    const { result, shares } = await profiled(work);
    for (const { part, percent } of shares) process.stdout.write(`${percent.toFixed(1).padStart(6)} %  ${part}\n`);
    return result;
  };
  await productRuns({ ...target, ...RUNS, jobType: oneStep, around });
});

async function onServer(work: (target: Target) => Promise<void>): Promise<void> {
  await using server = await startTestServer();
  process.stdout.write(`NATS Server ${server.version}\n`);
  await work({ url: server.url, serverPid: server.pid });
}

function reportLatency(name: string, { p50, p99 }: Latency, aim: Latency): void {
  const verdict = p50 <= aim.p50 && p99 <= aim.p99 ? 'reached' : 'MISSED';
  process.stdout.write(
    `${name.padEnd(28)}  p50 ${p50.toFixed(2)} ms  p99 ${p99.toFixed(2)} ms  (aim ${aim.p50} and ${aim.p99}: ${verdict})\n`,
  );
}

async function report(target: Target, some: readonly Comparison[]): Promise<void> {
  for (const comparison of some) process.stdout.write(`${line(comparison.name, await rounds(target, comparison), comparison.aim)}\n`);
}

interface Round {
  readonly raw: Figure;
  readonly product: Figure;
}

/** Raw and product take turns, so that a machine that becomes slower slows both. */
async function rounds(target: Target, { raw, product }: Comparison): Promise<Round[]> {
  const done: Round[] = [];
  for (let round = 0; round < ROUNDS; round++) done.push({ raw: await raw(target), product: await product(target) });
  return done;
}

function line(name: string, all: readonly Round[], aim: number | undefined): string {
  const per = (pick: (round: Round) => number) => Math.round(median(all.map(pick)));
  const ratio = median(all.map((round) => round.product.perSecond / round.raw.perSecond));
  const verdict = aim === undefined ? '' : ratio >= aim ? `  (aim ${aim.toFixed(2)}: reached)` : `  (aim ${aim.toFixed(2)}: MISSED)`;
  return (
    [
      name.padEnd(28),
      `${per((round) => round.product.perSecond)
        .toLocaleString('en')
        .padStart(8)}/s`,
      `raw ${per((round) => round.raw.perSecond)
        .toLocaleString('en')
        .padStart(8)}/s`,
      `ratio ${ratio.toFixed(2)}`,
      `CPU ${per((round) => round.product.clientCpuMicros)} + ${per((round) => round.product.serverCpuMicros ?? 0)} µs`,
    ].join('  ') + verdict
  );
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
