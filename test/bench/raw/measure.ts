import { readFile } from 'node:fs/promises';

/** What one measurement found. CPU is user plus system time per operation. */
export interface Figure {
  operations: number;
  perSecond: number;
  clientCpuMicros: number;
  /** Only when the server's process id was given; its clock ticks in 10 ms steps. */
  serverCpuMicros?: number;
}

const MICROS_PER_TICK = 10_000; // USER_HZ is 100 on every Linux that Node runs on

/** Times `work`, which did as many operations as it returns. */
export async function measure(work: () => Promise<number>, serverPid?: number): Promise<Figure> {
  const serverBefore = serverPid === undefined ? 0 : await processCpuMicros(serverPid);
  const cpuBefore = process.cpuUsage();
  const startedAt = process.hrtime.bigint();
  const operations = await work();
  const elapsedSeconds = Number(process.hrtime.bigint() - startedAt) / 1e9;
  const { user, system } = process.cpuUsage(cpuBefore);
  const figure = { operations, perSecond: operations / elapsedSeconds, clientCpuMicros: (user + system) / operations };
  if (serverPid === undefined) return figure;
  return { ...figure, serverCpuMicros: ((await processCpuMicros(serverPid)) - serverBefore) / operations };
}

async function processCpuMicros(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1');
  // The second field is the program's name in brackets and may hold spaces, so count from behind it: utime is 14th, stime 15th.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * MICROS_PER_TICK;
}
