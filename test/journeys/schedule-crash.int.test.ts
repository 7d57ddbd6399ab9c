/**
 * Schedulers that are killed and started again around the times at which their schedules are due: each occurrence has one recorded fate, and
 * each that was started one command. The instants come from a seed: ALMANAC_SCHEDULE_KILLS for more of them, ALMANAC_SCHEDULE_SEED for others.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it, vi } from 'vitest';
import { publishConfirmed } from '../../src/adapters/nats/publish-confirmed.ts';
import { natsScheduleLog } from '../../src/adapters/nats/schedule-log.ts';
import { type ScheduleId, scheduleId } from '../../src/domain/ids.ts';
import { parseScheduleEvent } from '../../src/domain/schedule/schedule-event.ts';
import { scheduleCommandSubject } from '../../streams/commands.stream.ts';
import { scheduleEventFilter } from '../../streams/events.stream.ts';
import { type Client, clientOn } from '../support/host-on.ts';
import { startTestServer } from '../support/nats-server.ts';
import { problemsOf, type RecordedEvent } from '../support/schedule-checker.ts';
import { SchedulerFleet } from '../support/scheduler-fleet.ts';
import { historyOf } from '../support/scheduler-on.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { storedStarts } from '../support/stored-starts.ts';

const KILLS = Number(process.env.ALMANAC_SCHEDULE_KILLS || 10);
const SEED = process.env.ALMANAC_SCHEDULE_SEED || 'around due times';
const PROCESSES = 3;
const catchUp = (policy: string, more: object = {}) => ({ catchUp: { policy, windowMs: 20_000, ...more } });
/** Nobody carries out the runs: what does not allow them all starts one, and says of the rest why not. */
const SCHEDULES: readonly { readonly everyMs: number; readonly jitterMs?: number; readonly more: object }[] = [
  { everyMs: 1_000, more: { overlap: 'allow-all' } },
  { everyMs: 1_000, more: { overlap: 'allow-all', ...catchUp('all', { dripMs: 0 }) } },
  { everyMs: 1_000, more: { overlap: 'allow-all', ...catchUp('all', { dripMs: 100, cap: 5 }) } },
  { everyMs: 1_000, more: { overlap: 'allow-all', ...catchUp('none') } },
  { everyMs: 1_300, jitterMs: 900, more: { overlap: 'allow-all', ...catchUp('latest') } },
  { everyMs: 1_000, jitterMs: 300, more: { overlap: 'allow-all', catchUp: { policy: 'latest', windowMs: 1_500 } } },
  { everyMs: 1_000, more: { overlap: 'skip' } },
  { everyMs: 1_000, more: { overlap: 'buffer-one' } },
  { everyMs: 2_000, more: { overlap: 'cancel-other' } },
];

it(`${KILLS} kills, seed '${SEED}': every occurrence has one fate, and every start one command`, {
  timeout: 60_000 + KILLS * 6_000,
}, async () => {
  const random = new SeededRandom(SEED);
  await using server = await startTestServer();
  await using client = await clientOn(server);
  await using fleet = new SchedulerFleet(server.url, PROCESSES);
  await fleet.ready();
  const schedules = SCHEDULES.map((schedule, n) => ({ id: scheduleId(`schedule-${n}`), ...schedule }));
  for (const { id, everyMs, jitterMs = 0, more } of schedules) await create(client, id, { everyMs, jitterMs }, more);
  for (const { id } of schedules) await expect.poll(() => historyOf(client, id)).not.toEqual([]);
  for (let kill = 0; kill < KILLS; kill++) {
    const place = await moment(client, fleet, random);
    const all = random.chance(0.1);
    const restarted = delay(random.chance(0.3) ? random.int(3_000) : 0);
    const places = all ? Array.from({ length: PROCESSES }, (_, n) => n) : [place];
    await Promise.all(places.map((each) => fleet.kill(each, restarted)));
  }
  await fleet.ready();
  const now = Date.now();
  for (const { id } of schedules)
    await vi.waitFor(async () => expect((await historyOf(client, id)).at(-1)!.data.state.decidedUntil).toBeGreaterThan(now), 10_000);
  await fleet[Symbol.asyncDispose]();

  const starts = new Map<string, number>();
  for (const { runId } of await storedStarts(client.manager)) starts.set(runId, (starts.get(runId) ?? 0) + 1);
  const problems: Record<string, string[]> = {};
  const started = new Set<string>();
  for (const { id, everyMs } of schedules) {
    const history = await recorded(client, id);
    for (const { event } of history) for (const { fate, runId } of event.data.entries) if (fate === 'started') started.add(runId!);
    const found = problemsOf({ everyMs }, history, starts);
    if (found.length > 0) problems[id] = found;
  }
  expect(problems).toEqual({});
  expect([...starts.keys()].filter((run) => !started.has(run))).toEqual([]);
  expect(started.size).toBeGreaterThan(KILLS);
});

/** Resolves when somebody is to die, to whom. */
async function moment({ connection }: Client, fleet: SchedulerFleet, random: SeededRandom): Promise<number> {
  const place = random.int(fleet.size);
  if (random.chance(0.5)) {
    // Around a full second, when most are due.
    const offset = random.int(60) - 20;
    const next = Math.ceil((Date.now() + 200) / 1_000) * 1_000;
    await delay(next + offset - Date.now());
    return place;
  }
  // Whoever has just sent a decision: what it asks for is not done yet.
  const afterMs = random.pick([0, 0, 0, 1, 2, 5]);
  const skip = random.int(20);
  let seen = 0;
  const source = await new Promise<string>((resolve) => {
    const subscription = connection.subscribe(scheduleEventFilter(), {
      callback: (_, message) => {
        if (seen++ < skip) return;
        subscription.unsubscribe();
        resolve(parseScheduleEvent(message.data).source);
      },
    });
  });
  if (afterMs > 0) await delay(afterMs);
  return (await fleet.placeOf(source)) ?? place;
}

async function recorded({ connection, publisher, manager }: Client, id: ScheduleId): Promise<RecordedEvent[]> {
  const history: RecordedEvent[] = [];
  await natsScheduleLog(connection, publisher, manager).read(
    id,
    ({ bytes }) => void history.push({ event: parseScheduleEvent(bytes), bytes }),
  );
  return history;
}

async function create({ publisher }: Client, id: ScheduleId, timing: object, more: object): Promise<void> {
  const body = { do: 'create', spec: { jobType: 'nothing', timing, ...more } };
  await publishConfirmed(publisher, scheduleCommandSubject(id), Buffer.from(JSON.stringify(body)), { messageId: id });
}
