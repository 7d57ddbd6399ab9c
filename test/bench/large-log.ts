/**
 * `npm run bench:large-log [runs]`: how long the program takes from its start to the end of a first run, and how much memory, when EVENTS
 * holds a million finished runs; and beside it with an empty log. Nothing may read the log before serving, so both are about the same.
 */
import { readFileSync } from 'node:fs';
import { connect } from '../../src/adapters/nats/connection.ts';
import { Publisher } from '../../src/adapters/nats/publisher.ts';
import { jobTypeId, runId } from '../../src/domain/ids.ts';
import { events, runEventFilter, runEventSubject } from '../../streams/events.stream.ts';
import { installation } from '../support/almanac-process.ts';
import { startTestServer, type TestServer } from '../support/nats-server.ts';

const runs = Number(process.argv[2] ?? 1_000_000);
const AT_ONCE = 2_000;

await using server = await startTestServer();
console.log(`NATS Server ${server.version}`);
console.log('empty log:', await firstRun(server));
console.log(`writing ${runs.toLocaleString('en')} finished runs …`);
await writeFinishedRuns(server);
console.log('full log: ', await firstRun(server));
const from = performance.now();
await server.restart({ signal: 'SIGKILL' });
console.log(`the server, killed, was back after ${seconds(from)}`);
console.log('full log, after the crash: ', await firstRun(server));

/** Of a process that starts, runs one job and is asked about it. */
async function firstRun({ url }: TestServer): Promise<object> {
  await using home = await installation({ NATS_URL: url, ENABLE_MONITORING: 'false' });
  const begun = performance.now();
  const running = await home.start('--no-first-sync');
  const ready = seconds(begun);
  const ended = await home.run('run', 'start', 'vault-sync', '--wait', '-o', 'json');
  const firstRunEnded = seconds(begun);
  const { outcome } = JSON.parse(ended.stdout) as { outcome: string };
  const megabytes = Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${running.pid}/status`, 'utf8'))![1]) / 1024);
  await running.kill('SIGTERM');
  return { ready, firstRunEnded, outcome, processMegabytes: megabytes };
}

/** The first and the last event of the run before, under other ids: what fills a log is that there are many. */
async function writeFinishedRuns({ url }: TestServer): Promise<void> {
  const { connection, manager } = await connect({ url, name: 'bench' });
  const publisher = new Publisher(connection);
  const filter = runEventFilter(jobTypeId('vault-sync'));
  const first = await manager.direct.getMessage(events.name, { seq: 1, next_by_subj: filter });
  const last = await manager.direct.getMessage(events.name, { last_by_subj: first!.subject });
  for (let n = 0; n < runs; ) {
    const chunk = Array.from({ length: Math.min(AT_ONCE, runs - n) }, async () => {
      const subject = runEventSubject(jobTypeId('vault-sync'), runId(`old-${n++}`));
      await publisher.publish(subject, first!.data);
      await publisher.publish(subject, last!.data);
    });
    await Promise.all(chunk);
  }
  publisher.close();
  await connection.close();
}

function seconds(since: number): string {
  return `${((performance.now() - since) / 1000).toFixed(2)} s`;
}
