/**
 * `npm run bench:parked [runs] [seconds]`: many runs wait at once, nobody holds them, and all wake when their time comes. Prints what that
 * costs and how late they were, and fails if one did not wake, or woke twice.
 */
import { type AnyStateMachine, setup } from 'xstate';
import { z } from 'zod';
import { jobTypeId, runId } from '../../src/domain/ids.ts';
import type { JobType } from '../../src/domain/job-type.ts';
import type { RunEvent } from '../../src/domain/run-event.ts';
import { activity } from '../../src/domain/statechart/declare-activity.ts';
import { commandsLeft } from '../support/commands-left.ts';
import { startTestServer } from '../support/nats-server.ts';
import { benchHost } from './bench-host.ts';

const [runs = 50_000, seconds = 60] = process.argv.slice(2).map(Number);
const AT_ONCE = 50;

const machine: AnyStateMachine = setup({
  delays: { wait: seconds * 1_000 },
  actors: { work: activity<undefined, null>() },
}).createMachine({
  id: 'waiting',
  initial: 'waiting',
  options: { maxIterations: 100 },
  states: {
    waiting: { after: { wait: 'working' } },
    working: { invoke: { id: 'work', src: 'work', onDone: 'succeeded' } },
    succeeded: { type: 'final' },
  },
});
const jobType: JobType = { id: 'waiting', summary: 'waits', machine, input: z.strictObject({}), concurrency: AT_ONCE };

const megabytes = () => `${(process.memoryUsage.rss() / 2 ** 20).toFixed(0)} MB`;
const since = (from: number) => `${((performance.now() - from) / 1000).toFixed(1)} s`;

await using server = await startTestServer();
const { promise: finished, resolve } = Promise.withResolvers<void>();
const worked = new Map<string, number>();
let ended = 0;
const observer = { started() {}, heldBack() {}, ended: () => void (++ended === runs && resolve()) };
const work = async (_: unknown, { runId: run }: { runId: string }) => {
  worked.set(run, (worked.get(run) ?? 0) + 1);
  return null;
};
const { commands, connection, manager, host, close } = await benchHost(server.url, jobType, { work }, { observer });
console.log(`${runs} runs that wait ${seconds} s, ${AT_ONCE} places; process ${megabytes()}`);
const from = performance.now();
await host.start();
for (let n = 0; n < runs; ) {
  const chunk = Array.from({ length: Math.min(1_000, runs - n) }, () =>
    commands.start({ jobType: jobTypeId('waiting'), runId: runId(`w${n++}`), input: {} }),
  );
  await Promise.all(chunk);
}
console.log(`all commands stored after ${since(from)}; process ${megabytes()}`);
await finished;
console.log(`all ended after ${since(from)}; process ${megabytes()}`);

const lateness: number[] = [];
for (let n = 0; n < runs; n++) {
  const message = await manager.direct.getMessage('EVENTS', { seq: 1, next_by_subj: `evt.run.waiting.w${n}` });
  const first = message!.json<RunEvent>();
  const last = (await manager.direct.getMessage('EVENTS', { last_by_subj: `evt.run.waiting.w${n}` }))!.json<RunEvent>();
  lateness.push(Date.parse(last.time) - Date.parse(first.data.parked!.until!));
}
lateness.sort((a, b) => a - b);
const at = (share: number) => `${lateness[Math.min(runs - 1, Math.floor(runs * share))]} ms`;
console.log(`ended after their time: first ${at(0)}, half ${at(0.5)}, last ${at(1)}`);
const twice = [...worked.values()].filter((times) => times > 1).length;
const left = await commandsLeft(connection);
console.log({ woken: worked.size, twice, left });
await close();
process.exitCode = worked.size === runs && twice === 0 && left.stored === 0 ? 0 : 1;
