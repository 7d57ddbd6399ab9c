/** Where the time goes: a CPU profile of this process, summed up by the part of the program that spent it. */
import { Session } from 'node:inspector/promises';

const PARTS: readonly (readonly [part: string, test: (url: string, name: string) => boolean])[] = [
  ['garbage collection', (_, name) => name === '(garbage collector)'],
  ['idle', (_, name) => name === '(idle)'],
  ['socket writes', (_, name) => name === 'writeBuffer' || name === 'writev' || name === 'writeUtf8String'],
  ['NATS client', (url) => url.includes('@nats-io')],
  ['XState', (url) => url.includes('/xstate/')],
  ['zod', (url) => url.includes('/zod/')],
  ['fold (src/domain/statechart)', (url) => url.includes('/src/domain/statechart/')],
  ['decisions and events (src/domain)', (url) => url.includes('/src/domain/')],
  ['publisher, leases, log (src/adapters)', (url) => url.includes('/src/adapters/')],
  ['host and holder (src/runtime)', (url) => url.includes('/src/runtime/')],
];

export interface Share {
  readonly part: string;
  readonly percent: number;
}

export async function profiled<Result>(work: () => Promise<Result>): Promise<{ result: Result; shares: Share[]; functions: Share[] }> {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: 250 });
  await session.post('Profiler.start');
  const result = await work();
  const { profile } = await session.post('Profiler.stop');
  session.disconnect();

  const nodes = new Map(profile.nodes.map((node) => [node.id, node.callFrame]));
  const parts = new Map<string, number>();
  const functions = new Map<string, number>();
  let total = 0;
  profile.samples?.forEach((id, index) => {
    const { url, functionName, lineNumber } = nodes.get(id)!;
    const micros = profile.timeDeltas?.[index] ?? 0;
    const part = PARTS.find(([, test]) => test(url, functionName))?.[0] ?? 'Node itself';
    parts.set(part, (parts.get(part) ?? 0) + micros);
    const where = `${functionName || '(anonymous)'} ${url.split('/').slice(-2).join('/')}:${lineNumber + 1}`;
    functions.set(where, (functions.get(where) ?? 0) + micros);
    total += micros;
  });
  const sharesOf = (micros: Map<string, number>) =>
    [...micros].map(([part, spent]) => ({ part, percent: (100 * spent) / total })).sort((a, b) => b.percent - a.percent);
  return { result, shares: sharesOf(parts), functions: sharesOf(functions) };
}
