/**
 * Random schedules, zones, pauses, restarts and clocks that jump both ways, on one to five processes over one server: every occurrence ends
 * in exactly one fate, none is invented, and each that was started has exactly one start command. `ALMANAC_SCHEDULES_SEED` plays one again.
 */
import { expect, it } from 'vitest';
import { publishConfirmed } from '../../src/adapters/nats/publish-confirmed.ts';
import { type Instant, instant, scheduleId } from '../../src/domain/ids.ts';
import { isExcluded } from '../../src/domain/schedule/exclusions.ts';
import { occurrencesAfter } from '../../src/domain/schedule/occurrences.ts';
import { OVERLAPS } from '../../src/domain/schedule/schedule.ts';
import type { ScheduleEvent } from '../../src/domain/schedule/schedule-event.ts';
import { type Client, clientOn } from '../support/host-on.ts';
import { startTestServer, type TestServer } from '../support/nats-server.ts';
import { historyOf, schedulerOn, type TestScheduler } from '../support/scheduler-on.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const SEEDS = process.env.ALMANAC_SCHEDULES_SEED
  ? [process.env.ALMANAC_SCHEDULES_SEED]
  : Array.from({ length: Number(process.env.ALMANAC_SCHEDULES_SEEDS ?? 12) }, (_, seed) => String(seed));
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const STEPS = 40;
/** The days on which clocks change in Europe, and on Lord Howe. */
const BEGINNINGS = ['2026-03-28T20:00:00Z', '2026-10-24T20:00:00Z', '2026-04-04T10:00:00Z', '2026-06-01T00:00:00Z'];
const ZONES = ['UTC', 'Europe/Berlin', 'Australia/Lord_Howe', 'America/New_York'];
const PATTERNS = ['*/5 * * * *', '*/30 * * * *', '30 2 * * *', '15 1,2,3 * * *', '0 3 * * 0', '*/20 * * * * *'];

interface Replica {
  clock: VirtualClock;
  on: TestScheduler | undefined;
}

class World {
  readonly random: SeededRandom;
  readonly server: TestServer;
  readonly ids: string[] = [];
  readonly replicas: Replica[] = [];
  #sent = 0;

  constructor(seed: string, server: TestServer) {
    this.random = new SeededRandom(`schedules ${seed}`);
    this.server = server;
  }

  async start(replica: Replica): Promise<void> {
    replica.on = await schedulerOn(this.server, replica.clock);
  }

  async tell(subject: string, body: object): Promise<void> {
    const { client } = this.replicas.find(({ on }) => on !== undefined)!.on!;
    await publishConfirmed(client.publisher, subject, Buffer.from(JSON.stringify(body)), { messageId: `${subject} ${++this.#sent}` });
  }

  async create(id: string): Promise<void> {
    const { random } = this;
    const timing = random.chance(0.7)
      ? { cron: random.pick(PATTERNS), dst: { gap: random.pick(['run-after', 'skip']), overlap: random.pick(['first', 'second', 'both']) } }
      : { everyMs: random.pick([10_000, 7 * MINUTE, 3 * HOUR]) };
    const catchUp = {
      policy: random.pick(['none', 'latest', 'all']),
      windowMs: random.pick([5 * MINUTE, 2 * HOUR]),
      cap: random.pick([2, 20]),
    };
    const exclusions = random.chance(0.3) ? ['2026-03-29', '2026-10-25'] : [];
    const spec = {
      jobType: 'job',
      timing: { ...timing, timeZone: random.pick(ZONES), exclusions },
      catchUp,
      overlap: random.pick(OVERLAPS),
    };
    this.ids.push(id);
    await this.tell(`cmd.schedule.${id}`, { do: 'create', spec });
  }

  async step(): Promise<void> {
    const { random } = this;
    const replica = random.pick(this.replicas);
    const roll = random.next();
    if (roll < 0.55) {
      const forMs = random.pick([MINUTE, 30 * MINUTE, 5 * HOUR]);
      for (const { clock } of this.replicas) clock.advanceTo(new Date(clock.now() + random.int(forMs)).toISOString());
    } else if (roll < 0.7) replica.clock.jumpTo(new Date(replica.clock.now() + random.int(6 * HOUR) - 2 * HOUR).toISOString());
    else if (roll < 0.82) {
      if (replica.on === undefined) await this.start(replica);
      else if (this.replicas.filter(({ on }) => on !== undefined).length > 1) {
        await replica.on.stop();
        replica.on = undefined;
      }
    } else if (roll < 0.9) await this.tell(`cmd.schedule.${random.pick(this.ids)}`, { do: random.pick(['pause', 'resume']) });
    else if (roll < 0.95) await this.tell('cmd.control', { do: random.pick(['pause', 'resume']) });
    else await this.tell(`cmd.schedule.${random.pick(this.ids)}`, { do: 'update', spec: { timing: { cron: random.pick(PATTERNS) } } });
  }

  /** Everybody is there, nothing is paused, and nothing is due any more. */
  async settle(): Promise<void> {
    for (const replica of this.replicas) if (replica.on === undefined) await this.start(replica);
    await this.tell('cmd.control', { do: 'resume' });
    for (const id of this.ids) await this.tell(`cmd.schedule.${id}`, { do: 'resume' });
    const end = Math.max(...this.replicas.map(({ clock }) => clock.now())) + HOUR;
    for (const { clock } of this.replicas) clock.jumpTo(new Date(end).toISOString());
    const isQuiet = ({ clock, on }: Replica) =>
      this.ids.every((id) => on!.book.get(scheduleId(id))?.state.status === 'active') &&
      Date.parse(clock.nextAlarm ?? '9999-01-01') > clock.now();
    await expect
      .poll(
        () => {
          for (const { clock } of this.replicas) clock.advanceTo(new Date(clock.now() + 10_000).toISOString());
          return this.replicas.every(isQuiet);
        },
        { timeout: 20_000 },
      )
      .toBe(true);
  }
}

/** By run id: how many start commands there are. */
async function startsIn({ manager }: Client): Promise<Map<string, number>> {
  const starts = new Map<string, number>();
  const { state } = await manager.streams.info('COMMANDS');
  for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
    const message = await manager.streams.getMessage('COMMANDS', { seq });
    if (message?.subject.startsWith('cmd.job.start.') !== true) continue;
    const { key } = message.json<{ key: string }>();
    starts.set(key, (starts.get(key) ?? 0) + 1);
  }
  return starts;
}

/** Each revision of the schedule names occurrences after the instant it was written, up to that of the next one. */
function expected(history: readonly ScheduleEvent[]): { dueAt: Instant; excluded: boolean }[] {
  const revisions = history.filter(({ type }) => /created|updated/.test(type));
  return revisions.flatMap(({ data: { state } }, index) => {
    const next = revisions[index + 1]?.data.state;
    const until = next === undefined ? history.at(-1)!.data.state.decidedUntil : next.decidedUntil;
    return [...occurrencesAfter(state.spec.timing, state.decidedUntil, until)].map((dueAt) => ({
      dueAt,
      excluded: isExcluded(state.spec.timing, dueAt),
    }));
  });
}

it.each(SEEDS)(
  'seed %s',
  async (seed) => {
    await using server = await startTestServer();
    const world = new World(seed, server);
    const { random, replicas } = world;
    const beginning = random.pick(BEGINNINGS);
    for (let count = 1 + random.int(5); count > 0; count--) {
      const replica: Replica = { clock: new VirtualClock(beginning), on: undefined };
      replicas.push(replica);
      await world.start(replica);
    }
    for (let count = 1 + random.int(4); count > 0; count--) await world.create(`s${count}`);
    for (let step = 0; step < STEPS; step++) await world.step();
    await world.settle();
    for (const replica of replicas) await replica.on!.stop(); // what is being decided is decided then, and its start is sent
    await using client = await clientOn(server);
    const starts = await startsIn(client);
    let occurrences = 0;
    for (const id of world.ids) {
      const history = await historyOf(client, id);
      const entries = Map.groupBy(
        history.flatMap(({ data }) => data.entries),
        ({ dueAt }) => dueAt,
      );
      const stretches = history.flatMap(({ data }) => data.stretches);
      const waiting = new Set(history.at(-1)!.data.state.waiting.map(({ dueAt }) => dueAt));
      for (const { dueAt, excluded } of expected(history)) {
        occurrences++;
        const own = entries.get(dueAt) ?? [];
        const within = stretches.filter(({ from, to }) => from <= dueAt && dueAt <= to);
        const what = `${id} ${new Date(instant(dueAt)).toISOString()}: ${JSON.stringify({ own, within })}`;
        expect(own.length + within.length + (waiting.has(dueAt) ? 1 : 0), what).toBe(1);
        if (excluded && own[0] !== undefined) expect(own[0].fate, what).toBe('excluded');
        entries.delete(dueAt);
        if (own[0]?.fate === 'started') {
          expect(starts.get(own[0].runId!), what).toBe(1);
          starts.delete(own[0].runId!);
        }
      }
      expect([...entries.values()], `${id}: nothing is invented`).toEqual([]);
    }
    expect([...starts.keys()], 'nothing is started that no entry names').toEqual([]);
    expect(occurrences).toBeGreaterThan(0);
  },
  120_000,
);
