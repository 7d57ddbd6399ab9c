/**
 * One big batch of children that do nothing: `node test/bench/batch.ts [items] [processes] [window]`.
 * Each process is one of its own, as in a deployment; this one looks at the log.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { progressOf } from '../../src/domain/run-progress.ts';
import { clientOn, hostOn } from '../support/host-on.ts';
import { startTestServer } from '../support/nats-server.ts';
import { noOpBatch } from '../support/no-op-batch.ts';

const [items = 100_000, processes = 1, window = 64] = process.argv.slice(2).map(Number);
const serverUrl = process.env.BENCH_SERVER; // set for the processes that run the batch
const { parent, child } = noOpBatch(window);

if (serverUrl === undefined) await measured();
else await hosted(serverUrl);

async function hosted(url: string): Promise<void> {
  const host = await hostOn({ url }, [parent, child]);
  process.on('message', () => {
    process.send!({
      rssMb: process.resourceUsage().maxRSS / 1024,
      warnings: host.seen.of('warning').length + host.seen.of('error').length,
    });
    void host.stop().then(() => process.disconnect());
  });
  process.send!('ready');
}

async function measured(): Promise<void> {
  await using server = await startTestServer();
  await using client = await clientOn(server);
  const env = { ...process.env, BENCH_SERVER: server.url };
  const hosts = Array.from({ length: processes }, () => fork(import.meta.filename, process.argv.slice(2), { env }));
  await Promise.all(hosts.map((host) => once(host, 'message')));
  console.log(`${items} items, ${processes} process(es), window ${window}, NATS Server ${server.version}`);
  const from = performance.now();
  await client.start(parent, 'big', { items });
  const seen = { events: 0, bytes: 0, largest: 0, done: 0 };
  await client.followTo(parent, 'big', ({ event, bytes }) => {
    const { done } = progressOf(event.data.snapshot)!;
    seen.events++;
    seen.bytes += bytes.byteLength;
    seen.largest = Math.max(seen.largest, bytes.byteLength);
    if (done > 0 && done % 10_000 === 0 && done !== seen.done)
      console.log(`  ${done} after ${((performance.now() - from) / 1000).toFixed(1)} s`);
    seen.done = done;
  });
  const seconds = (performance.now() - from) / 1000;
  console.log(`  ${seconds.toFixed(1)} s, ${Math.round(items / seconds)} items/s`);
  console.log(
    `  ${(seen.events / items).toFixed(3)} events per item of the batch, ${Math.round(seen.bytes / seen.events)} bytes on average, ${seen.largest} at most`,
  );
  for (const host of hosts) {
    const told = once(host, 'message');
    host.send('stop');
    const [{ rssMb, warnings }] = (await told) as [{ rssMb: number; warnings: number }];
    console.log(`  a process: peak RSS ${rssMb.toFixed(0)} MB, ${warnings} warnings and errors`);
  }
}
