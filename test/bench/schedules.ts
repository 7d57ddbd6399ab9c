/**
 * `npm run bench:schedules [schedules] [seconds]`: how late start commands are stored when 200 schedules are due every second for 30 s, one
 * scheduler over a real server; beside bare croner timers and Debian's APScheduler, which only call a function, and beside a bare socket that
 * stores the same two messages. Each of them does so for 5 s more before, which do not count: schedulers run for months. Fails when an
 * occurrence was started twice or not at all. Nobody carries the runs out.
 */
import { execFile } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { publishConfirmed } from '../../src/adapters/nats/publish-confirmed.ts';
import { systemClock } from '../../src/adapters/system/clock.ts';
import { PauseFile } from '../../src/adapters/system/pause-file.ts';
import { type Instant, jobTypeId, scheduledRunId, scheduleId } from '../../src/domain/ids.ts';
import { scheduleCommandSubject } from '../../streams/commands.stream.ts';
import { apschedulerEnvironment } from '../support/apscheduler.ts';
import type { Client } from '../support/host-on.ts';
import { startTestServer } from '../support/nats-server.ts';
import { schedulerOn } from '../support/scheduler-on.ts';
import { storedStarts } from '../support/stored-starts.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { recordedStarts } from './raw/recorded-starts.ts';

const [schedules = 200, seconds = 30] = process.argv.slice(2).map(Number);
const JOB_TYPE = jobTypeId('nothing');
/** In milliseconds, beyond what the bare timers need. */
const AIM = { p50: 3, p99: 20 };
const run = promisify(execFile);
const CRONER = fileURLToPath(new URL('./timers/with-croner.ts', import.meta.url));
const APSCHEDULER = fileURLToPath(new URL('./timers/with-apscheduler.py', import.meta.url));
const WARM_UP_S = 5;
const load = [String(schedules), String(WARM_UP_S + seconds)];

console.log(
  `Node ${process.version}; ${schedules} schedules, each due every second, ${seconds} s after ${WARM_UP_S} s to warm up; milliseconds after the second`,
);
const bare = show('bare croner timers', JSON.parse((await run(process.execPath, [CRONER, ...load])).stdout));
const python = await run('python3', [APSCHEDULER, ...load], { env: await apschedulerEnvironment() });
show('APScheduler', JSON.parse(python.stdout));
show('raw socket: both stored', await atLeast());
const stored = await started();
const own = show(
  'Almanac: command stored',
  [...stored.values()].map(([first]) => first!),
);
const missed = schedules * (WARM_UP_S + seconds) - stored.size;
const twice = [...stored.values()].filter(({ length }) => length > 1).length;

for (const share of ['p50', 'p99'] as const) {
  const over = own[share] - bare[share];
  console.log(`${share} over the bare timers: ${over} ms (aim ${AIM[share]}: ${over <= AIM[share] ? 'reached' : 'MISSED'})`);
}
console.log(`missed ${missed}, twice ${twice} (aim 0 and 0: ${missed + twice === 0 ? 'reached' : 'MISSED'})`);
process.exitCode = missed + twice === 0 ? 0 : 1;

/** What the server and a socket need for the same two messages: the event, and the command once that is stored. */
async function atLeast(): Promise<number[]> {
  await using server = await startTestServer();
  return await recordedStarts({ url: server.url, schedules, seconds: WARM_UP_S + seconds });
}

/** For each run that should have been started, how late each of its start commands was stored, by the clock of the server: the same machine's. */
async function started() {
  await using server = await startTestServer();
  const vault = temporaryFolder();
  await using at = await schedulerOn(server, systemClock, new PauseFile({ vaultRoot: vault.path, automationPause: false }));
  const from = (Math.ceil(Date.now() / 1_000) + 5) * 1_000;
  const startAt = new Date(from).toISOString();
  const endAt = new Date(from + (WARM_UP_S + seconds - 1) * 1_000).toISOString();
  const spec = { jobType: JOB_TYPE, timing: { cron: '* * * * * *', startAt, endAt }, overlap: 'allow-all' };
  const ids = Array.from({ length: schedules }, (_, n) => scheduleId(`every-second-${n}`));
  await Promise.all(ids.map((id) => create(at.client, id, spec)));
  const isOver = () => {
    const all = [...at.book.all()];
    return all.length === schedules && all.every(({ state }) => state.status === 'finished');
  };
  while (!isOver()) await delay(1_500); // between two seconds
  const dueAts = new Map<string, number>();
  for (let n = 0; n < WARM_UP_S + seconds; n++)
    for (const id of ids) dueAts.set(scheduledRunId(id, (from + n * 1_000) as Instant), from + n * 1_000);
  const stored = new Map<string, number[]>();
  for (const { runId, storedAt } of await storedStarts(at.client.manager)) {
    const dueAt = dueAts.get(runId);
    if (dueAt === undefined) throw new Error(`nobody asked for run ${runId}`);
    stored.set(runId, [...(stored.get(runId) ?? []), storedAt - dueAt]);
  }
  vault.remove();
  return stored;
}

async function create({ publisher }: Client, id: ReturnType<typeof scheduleId>, spec: object): Promise<void> {
  await publishConfirmed(publisher, scheduleCommandSubject(id), Buffer.from(JSON.stringify({ do: 'create', spec })), { messageId: id });
}

/** @param lateness Of all, oldest first. */
function show(name: string, lateness: readonly number[]) {
  const counted = lateness.slice(WARM_UP_S * schedules);
  const sorted = counted.toSorted((a, b) => a - b);
  const at = (share: number) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]! * 10) / 10;
  const figures = { p50: at(0.5), p99: at(0.99), max: at(1) };
  console.log(
    `${name.padEnd(26)} p50 ${figures.p50}  p99 ${figures.p99}  max ${figures.max}  (${counted.length} of ${schedules * seconds})`,
  );
  return figures;
}
