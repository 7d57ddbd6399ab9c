import { casAppends, type Figure, publishCommands, replayOfAppends, runLoop } from './limits.ts';

/** `node test/bench/raw/main.ts <url> [server pid] [scale]`: prints what the server allows a client that does nothing else. */
const [url, pid, scaleText = '1'] = process.argv.slice(2);
if (url === undefined) {
  console.error('usage: main.ts nats://host:port [server pid, for its CPU time] [scale, 1 = about fifteen seconds]');
  process.exit(2);
}
const scale = Number(scaleText);
const target = { url, serverPid: pid === undefined ? undefined : Number(pid) };
const of = (count: number) => Math.max(1, Math.round(count * scale));

// Reference: 2 cores, nats-server 2.15.1, Node 24, quiet machine (performance-targets.md).
const measurements: { name: string; reference: number; run: () => Promise<Figure> }[] = [
  { name: 'CAS append, 1 in flight', reference: 5_900, run: () => casAppends({ ...target, count: of(10_000), inFlight: 1 }) },
  { name: 'CAS append, 512 in flight', reference: 88_000, run: () => casAppends({ ...target, count: of(200_000) }) },
  { name: 'CAS append, 4,096 in flight', reference: 100_000, run: () => casAppends({ ...target, count: of(200_000), inFlight: 4096 }) },
  { name: 'command publish with Nats-Msg-Id', reference: 55_500, run: () => publishCommands({ ...target, count: of(100_000) }) },
  { name: 'consume + acknowledge', reference: 70_000, run: () => runLoop({ ...target, runs: of(100_000), events: 0, inFlight: 512 }) },
  { name: 'loop, 2 events, 1 in flight', reference: 2_650, run: () => runLoop({ ...target, runs: of(5_000), events: 2, inFlight: 1 }) },
  { name: 'loop, 2 events, 100 in flight', reference: 28_500, run: () => runLoop({ ...target, runs: of(50_000), events: 2 }) },
  {
    name: 'loop, 2 events, 500 in flight',
    reference: 35_000,
    run: () => runLoop({ ...target, runs: of(50_000), events: 2, inFlight: 500 }),
  },
  { name: 'loop, 4 events, 100 in flight', reference: 14_900, run: () => runLoop({ ...target, runs: of(30_000), events: 4 }) },
  { name: 'ordered replay + JSON.parse', reference: 290_000, run: () => replayOfAppends({ ...target, count: of(300_000) }) },
];

const whole = (value: number) => Math.round(value).toLocaleString('en');
const row = (...cells: string[]) => console.log(cells.map((cell, at) => (at === 0 ? cell.padEnd(34) : cell.padStart(13))).join(''));

row('raw socket', 'per second', 'reference', 'ratio', 'client µs/op', 'server µs/op');
for (const { name, reference, run } of measurements) {
  const { perSecond, clientCpuMicros, serverCpuMicros } = await run();
  const server = serverCpuMicros === undefined ? '–' : serverCpuMicros.toFixed(1);
  row(name, whole(perSecond), whole(reference), (perSecond / reference).toFixed(2), clientCpuMicros.toFixed(1), server);
}
