/**
 * `npm run bench:many-schedules [schedules]`: 100,000 schedules in the log, most of them with a pattern of their own. How long a process takes
 * from its start until all are armed, and how much memory; and how soon a change by command takes effect when two run.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { publishConfirmed } from '../../src/adapters/nats/publish-confirmed.ts';
import { processIdentity } from '../../src/adapters/system/identity.ts';
import { type Instant, jobTypeId, type ScheduleId, scheduleId } from '../../src/domain/ids.ts';
import { changeSchedule } from '../../src/domain/schedule/change.ts';
import { scheduleEventBytes } from '../../src/domain/schedule/schedule-event.ts';
import { scheduleCommandSubject } from '../../streams/commands.stream.ts';
import { scheduleEventSubject } from '../../streams/events.stream.ts';
import { type Client, clientOn } from '../support/host-on.ts';
import { startTestServer } from '../support/nats-server.ts';
import { storedStarts } from '../support/stored-starts.ts';

const [count = 100_000] = process.argv.slice(2).map(Number);
const AT_ONCE = 2_000;
const AIM = { armedMs: 10_000, megabytes: 500, changeMs: 1_000 };
const ZONES = ['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'Australia/Sydney'];
const PROGRAM = fileURLToPath(new URL('../support/scheduler-process.ts', import.meta.url));
const idOf = (n: number): ScheduleId => scheduleId(`schedule-${n}`);

await using server = await startTestServer();
await using client = await clientOn(server);
console.log(`Node ${process.version}, NATS Server ${server.version}; writing ${count.toLocaleString('en')} schedules …`);
await writeSchedules(client);

const alone = await start();
verdict('armed after', alone.armedMs, AIM.armedMs, 'ms');
verdict('memory of the process', alone.megabytes(), AIM.megabytes, 'MB');
const other = await start();

// Due at once, one time: whichever of the two fires has learned of the change, from the command or from the log.
const changes: number[] = [];
for (let n = 0; n < 10; n++) {
  const sentAt = Date.now();
  const spec = { timing: { at: new Date(sentAt).toISOString() } };
  await send(client, idOf(n), { do: 'update', spec });
  changes.push((await startOf(client, idOf(n))) - sentAt);
}
verdict('a changed schedule fires after', Math.max(...changes), AIM.changeMs, 'ms');
verdict('memory, later', Math.max(alone.megabytes(), other.megabytes()), AIM.megabytes, 'MB');
for (const { child } of [alone, other]) {
  child.kill('SIGTERM');
  await once(child, 'exit');
}

interface Started {
  readonly child: ChildProcess;
  readonly armedMs: number;
  megabytes(): number;
}

async function start(): Promise<Started> {
  const from = performance.now();
  const child = fork(PROGRAM, [server.url], { execArgv: [] });
  await once(child, 'message');
  const megabytes = () => Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))![1]) / 1024);
  return { child, armedMs: Math.round(performance.now() - from), megabytes };
}

async function writeSchedules({ publisher }: Client): Promise<void> {
  const { source, eventId } = processIdentity();
  const now = Date.now() as Instant;
  for (let n = 0; n < count; ) {
    const chunk = Array.from({ length: Math.min(AT_ONCE, count - n) }, () => {
      const id = idOf(n);
      const timing = { cron: `${n % 60} ${Math.floor(n / 60) % 24} * * ${Math.floor(n / 1440) % 7}`, timeZone: ZONES[n % ZONES.length]! };
      const spec = { jobType: jobTypeId('nothing'), timing, input: { customer: n++ } };
      const facts = { now, ended: new Map(), suspensions: [], id, timeZone: 'UTC', owner: 'operator' as const, triggeredRun: '' as never };
      const { type, state, ...verdict } = changeSchedule(undefined, { do: 'create', spec }, facts)!;
      const event = { id: eventId(), source, type, at: now, data: { ...verdict, state, previous: null } };
      return publisher.publish(scheduleEventSubject(id), scheduleEventBytes(event));
    });
    await Promise.all(chunk);
  }
}

async function send({ publisher }: Client, id: ScheduleId, body: object): Promise<void> {
  await publishConfirmed(publisher, scheduleCommandSubject(id), Buffer.from(JSON.stringify(body)), { messageId: `${id} changes` });
}

/** When its start command was stored, by the clock of the server: the same machine's. */
async function startOf({ manager }: Client, id: ScheduleId): Promise<number> {
  for (;;) {
    const start = (await storedStarts(manager)).find(({ runId }) => runId.startsWith(`${id}-`));
    if (start !== undefined) return start.storedAt;
  }
}

function verdict(what: string, figure: number, aim: number, unit: string): void {
  console.log(`${what} ${figure.toLocaleString('en')} ${unit} (aim ${aim.toLocaleString('en')}: ${figure <= aim ? 'reached' : 'MISSED'})`);
}
