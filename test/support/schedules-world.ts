/**
 * One to five processes over one server, each with a clock of its own, and whatever may happen to them and to their schedules. The seed
 * decides what happens; what comes of it also depends on who is quicker, so a seed may have to be played a few times to fail again.
 */
import { isDeepStrictEqual } from 'node:util';
import { expect } from 'vitest';
import { publishConfirmed } from '../../src/adapters/nats/publish-confirmed.ts';
import { natsStandstillLog } from '../../src/adapters/nats/standstill-log.ts';
import { type Instant, instant, jobTypeId, type ScheduleId, scheduleId } from '../../src/domain/ids.ts';
import { firesAt } from '../../src/domain/schedule/due.ts';
import { nextOccurrence } from '../../src/domain/schedule/occurrences.ts';
import { OVERLAPS, type ScheduleState } from '../../src/domain/schedule/schedule.ts';
import { commands } from '../../streams/commands.stream.ts';
import { events, runEventSubject, scheduleEventSubject } from '../../streams/events.stream.ts';
import type { Client } from './host-on.ts';
import type { TestServer } from './nats-server.ts';
import { schedulerOn, type TestScheduler } from './scheduler-on.ts';
import { SeededRandom } from './seeded-random.ts';
import { VirtualClock } from './virtual-clock.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const STEPS = 40;
const MOST_REPLICAS = 5;
const MOST_SCHEDULES = 4;
/** The days on which clocks change in Europe, and on Lord Howe; and one on which they do not. */
const BEGINNINGS = ['2026-03-28T20:00:00Z', '2026-10-24T20:00:00Z', '2026-04-04T10:00:00Z', '2026-06-01T00:00:00Z'];
const ZONES = ['UTC', 'Europe/Berlin', 'Australia/Lord_Howe', 'America/New_York'];
const PATTERNS = ['*/5 * * * *', '*/30 * * * *', '30 2 * * *', '15 1,2,3 * * *', '0 3 * * 0', '*/20 * * * * *'];
const JOB_TYPE = jobTypeId('job');

interface Replica {
  readonly clock: VirtualClock;
  on: TestScheduler | undefined;
}
/** The places in the log after which, and up to which, every process that was there knew that all schedules were paused. */
export interface Still {
  readonly after: number;
  readonly to: number;
}

export class World implements AsyncDisposable {
  readonly ids: ScheduleId[] = [];
  readonly stills: Still[] = [];
  readonly #random: SeededRandom;
  readonly #server: TestServer;
  readonly #replicas: Replica[] = [];
  #stillAfter: number | undefined;
  #sent = 0;

  private constructor(seed: string, server: TestServer) {
    this.#random = new SeededRandom(`schedules ${seed}`);
    this.#server = server;
  }

  /** Everything has happened, and all is decided. */
  static async played(seed: string, server: TestServer): Promise<World> {
    const world = new World(seed, server);
    await world.#begin();
    for (let step = 0; step < STEPS; step++) await world.#step();
    await world.#settle();
    return world;
  }

  get client(): Client {
    return this.#alive[0]!.client;
  }

  /** By the clock that is ahead of the others. */
  get now(): Instant {
    return Math.max(...this.#replicas.map(({ clock }) => clock.now())) as Instant;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#alive.map((on) => on.stop()));
  }

  get #alive(): TestScheduler[] {
    return this.#replicas.flatMap(({ on }) => on ?? []);
  }

  async #begin(): Promise<void> {
    const random = this.#random;
    const beginning = random.pick(BEGINNINGS);
    for (let count = 1 + random.int(MOST_REPLICAS); count > 0; count--) {
      const replica: Replica = { clock: new VirtualClock(beginning), on: undefined };
      this.#replicas.push(replica);
      await this.#start(replica);
    }
    for (let count = 1 + random.int(MOST_SCHEDULES); count > 0; count--) this.ids.push(scheduleId(`s${count}`));
    for (const id of this.ids) await this.#create(id);
  }

  async #start(replica: Replica): Promise<void> {
    replica.on = await schedulerOn(this.#server, replica.clock);
  }

  async #tell(subject: string, body: object): Promise<void> {
    const bytes = Buffer.from(JSON.stringify(body));
    await publishConfirmed(this.client.publisher, subject, bytes, { messageId: `${subject} ${++this.#sent}` });
  }

  async #create(id: ScheduleId): Promise<void> {
    const random = this.#random;
    const trigger = random.chance(0.7)
      ? { cron: random.pick(PATTERNS), dst: { gap: random.pick(['run-after', 'skip']), overlap: random.pick(['first', 'second', 'both']) } }
      : { everyMs: random.pick([10 * SECOND, 7 * MINUTE, 3 * HOUR]) };
    const catchUp = {
      policy: random.pick(['none', 'latest', 'all']),
      windowMs: random.pick([5 * MINUTE, 2 * HOUR]),
      cap: random.pick([2, 20]),
    };
    const exclusions = random.chance(0.3) ? ['2026-03-29', '2026-10-25'] : [];
    const timing = { ...trigger, timeZone: random.pick(ZONES), exclusions, jitterMs: random.chance(0.2) ? 5 * SECOND : 0 };
    const pauseAfterFailures = random.chance(0.2) ? 2 : 0;
    await this.#tell(`cmd.schedule.${id}`, {
      do: 'create',
      spec: { jobType: JOB_TYPE, timing, catchUp, overlap: random.pick(OVERLAPS), pauseAfterFailures },
    });
  }

  async #step(): Promise<void> {
    const random = this.#random;
    const replica = random.pick(this.#replicas);
    const id = random.pick(this.ids);
    const roll = random.next();
    if (roll < 0.25) this.#advance(random.int(random.pick([MINUTE, 30 * MINUTE, 5 * HOUR])));
    else if (roll < 0.45) await this.#follow(replica.clock);
    else if (roll < 0.58) replica.clock.jumpTo(iso(replica.clock.now() + random.int(6 * HOUR) - 2 * HOUR));
    else if (roll < 0.7) await (replica.on === undefined ? this.#start(replica) : this.#end(replica, replica.on));
    else if (roll < 0.78) await (random.chance(0.5) ? this.#pause(id) : this.#tell(`cmd.schedule.${id}`, { do: 'resume' }));
    else if (roll < 0.84) await this.#standstill(random.pick(['pause', 'resume']));
    else if (roll < 0.88) await this.#tell(`cmd.schedule.${id}`, { do: 'update', spec: { timing: { cron: random.pick(PATTERNS) } } });
    else if (roll < 0.9) await this.#tell(`cmd.schedule.${id}`, { do: 'trigger', overlap: random.pick(['allow-all', 'buffer-all']) });
    else if (roll < 0.92) {
      await this.#tell(`cmd.schedule.${id}`, { do: 'delete' });
      await this.#create(id);
    } else await this.#endRuns(id);
    if (random.chance(0.5)) await this.#calm();
  }

  #advance(byMs: number): void {
    for (const { clock } of this.#replicas) clock.advanceTo(iso(clock.now() + byMs));
  }

  /** To the next few instants at which that clock calls back, and not beyond before all is done: what is due is on time. */
  async #follow(clock: VirtualClock): Promise<void> {
    for (let alarms = this.#random.int(5); alarms > 0; alarms--) {
      await this.#calm();
      const next = Date.parse(clock.nextAlarm ?? '');
      if (!(next - clock.now() < 12 * HOUR)) return;
      this.#advance(next - clock.now());
    }
  }

  /** In good order, or as soon as it has decided something. The last one comes back at once. */
  async #end(replica: Replica, on: TestScheduler): Promise<void> {
    if (this.#random.chance(0.5)) {
      on.stopSending();
      replica.clock.advanceTo(iso(replica.clock.now() + this.#random.int(10 * MINUTE)));
    }
    replica.on = undefined;
    const isLast = this.#alive.length === 0;
    await on.stop();
    if (isLast) await this.#start(replica);
  }

  /** Also when something is due at the same moment. */
  async #pause(id: ScheduleId): Promise<void> {
    await this.#calm();
    await this.#tell(`cmd.schedule.${id}`, { do: 'pause' });
    this.#advance(this.#random.int(10 * MINUTE));
    await this.#calm();
    expect(['paused', 'deleted'], `${id} was told to pause`).toContain(this.#alive[0]!.book.get(id)!.state.status);
  }

  async #standstill(what: 'pause' | 'resume'): Promise<void> {
    if (what === 'resume' && this.#stillAfter !== undefined) {
      this.stills.push({ after: this.#stillAfter, to: await this.#lastSequence() });
      this.#stillAfter = undefined;
    }
    if (what === 'pause') await this.#calm(); // a resume that is on its way to another process might be carried out after it
    await this.#tell('cmd.control', { do: what });
    if (what === 'resume' || this.#stillAfter !== undefined) return;
    await this.#calm();
    expect(this.#alive[0]!.keeper.state.now, 'all were told to pause').toBeDefined();
    this.#stillAfter = await this.#lastSequence();
  }

  /** As if somebody had worked. */
  async #endRuns(id: ScheduleId): Promise<void> {
    const random = this.#random;
    const running = this.#alive[0]!.book.get(id)?.state.running ?? [];
    for (const { runId } of running.filter(() => random.chance(0.8))) {
      const value = random.pick(['succeeded', 'failed']);
      const time = new Date(0).toISOString();
      const data = {
        revision: 1,
        to: value,
        lease: { command: 1, delivery: 1, term: 1 },
        startedAt: time,
        definition: '',
        previous: null,
        snapshot: { status: 'done', value, context: {}, visits: 0 },
      };
      const event = { specversion: '1.0', id: `${runId} ends`, type: 'almanac.run.started', time, data };
      await publishConfirmed(this.client.publisher, runEventSubject(JOB_TYPE, runId), Buffer.from(JSON.stringify(event)), {
        messageId: event.id,
      });
    }
  }

  async #lastSequence(): Promise<number> {
    return (await this.client.manager.streams.info(events.name)).state.last_seq;
  }

  /** Resolves when nothing is under way: every command is carried out, and every process knows what stands in the log and has done it. */
  async #calm(): Promise<void> {
    await expect.poll(() => this.#restlessness(), { timeout: 60_000, interval: 2 }).toBe('');
  }

  async #restlessness(): Promise<string> {
    const { manager, publisher, connection } = this.client;
    const { subjects = {} } = (await manager.streams.info(commands.name, { subjects_filter: 'cmd.*.*' })).state;
    const left = Object.keys(subjects);
    const { state } = await manager.streams.info(commands.name, { subjects_filter: 'cmd.control' });
    if (left.length > 0 || Object.keys(state.subjects ?? {}).length > 0) return `not carried out: ${left.join(' ') || 'cmd.control'}`;
    const standstill = await natsStandstillLog(connection, publisher, manager).last();
    const sequences = await Promise.all(
      this.ids.map(async (id) => (await manager.streams.getMessage(events.name, { last_by_subj: scheduleEventSubject(id) }))?.seq),
    );
    for (const [index, { on, clock }] of this.#replicas.entries()) {
      if (on === undefined) continue;
      if (on.isWriting || clock.isRinging) return `replica ${index} is at work`;
      if (!isDeepStrictEqual(on.keeper.state, standstill.state)) return `replica ${index} does not know who stands still`;
      for (const [place, id] of this.ids.entries()) {
        const known = on.book.get(id);
        if (known === undefined || known.sequence !== sequences[place]) return `replica ${index} does not know ${id}`;
        if (known.undone !== undefined) return `replica ${index} has not started what ${id} asks for`;
      }
    }
    return '';
  }

  /** Everybody is there, nothing is paused, and nothing is due any more; the last hour is long enough for something to have been due. */
  async #settle(): Promise<void> {
    for (const replica of this.#replicas) if (replica.on === undefined) await this.#start(replica);
    await this.#standstill('resume');
    await this.#calm();
    const [{ book }] = this.#alive as [TestScheduler];
    const states = (): ScheduleState[] => this.ids.map((id) => book.get(id)!.state);
    for (const { id, status } of states()) if (status === 'deleted') await this.#create(id);
    await this.#calm();
    const soonest = Math.min(...states().map(undecided));
    const end = Math.max(this.now + HOUR, soonest + MINUTE);
    for (const { clock } of this.#replicas) clock.jumpTo(iso(end));
    for (;;) {
      for (const { id, status } of states()) if (status === 'paused') await this.#tell(`cmd.schedule.${id}`, { do: 'resume' });
      await this.#calm();
      if (states().every((state) => state.status === 'active' && undecided(state) > this.now)) return;
      this.#advance(SECOND);
    }
  }
}

/** When the first occurrence that has no fate yet is to start. */
const undecided = (state: ScheduleState): number => firesAt(state, nextOccurrence(state.spec.timing, state.decidedUntil)!);

const iso = (at: number): string => new Date(instant(at)).toISOString();
