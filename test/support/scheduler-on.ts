/** A scheduler and its desk over a real server, with a clock that the test moves. */

import { natsAnnouncer } from '../../src/adapters/nats/announcer.ts';
import { natsDeadLetters } from '../../src/adapters/nats/dead-letters.ts';
import { natsLaidAsideRuns } from '../../src/adapters/nats/laid-aside-runs.ts';
import { natsLeases } from '../../src/adapters/nats/leases.ts';
import { natsQueuedRuns } from '../../src/adapters/nats/queued-starts.ts';
import { natsRunLog } from '../../src/adapters/nats/run-log.ts';
import { natsScheduleLog } from '../../src/adapters/nats/schedule-log.ts';
import { natsStandstillLog } from '../../src/adapters/nats/standstill-log.ts';
import { processIdentity } from '../../src/adapters/system/identity.ts';
import { type ScheduleId, scheduleId } from '../../src/domain/ids.ts';
import { LANES } from '../../src/domain/job-type.ts';
import { parseScheduleEvent, type ScheduleEvent } from '../../src/domain/schedule/schedule-event.ts';
import { ControlDesk } from '../../src/runtime/control-desk.ts';
import type { Clock, CommandSender, Lease, PauseSource } from '../../src/runtime/ports.ts';
import { RunEnds } from '../../src/runtime/run-ends.ts';
import { type KnownSchedule, ScheduleBook } from '../../src/runtime/schedule-book.ts';
import { ScheduleDesk } from '../../src/runtime/schedule-desk.ts';
import { ScheduleWriter } from '../../src/runtime/schedule-writer.ts';
import { Scheduler } from '../../src/runtime/scheduler.ts';
import { SlotPool } from '../../src/runtime/slot-pool.ts';
import { StandstillKeeper } from '../../src/runtime/standstill-keeper.ts';
import { type Client, clientOn } from './host-on.ts';
import { Sightings, sightingLog } from './sightings.ts';

export interface TestScheduler {
  readonly client: Client;
  /** Its name in the log. */
  readonly source: string;
  readonly book: ScheduleBook;
  readonly writer: ScheduleWriter;
  /** Something is being decided, stored, or done. */
  readonly isWriting: boolean;
  readonly keeper: StandstillKeeper;
  readonly scheduler: Scheduler;
  readonly seen: Sightings;
  /** From now on no start command leaves the process: it dies as soon as it has decided. */
  stopSending(): void;
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function schedulerOn(server: { readonly url: string }, clock: Clock, pauseSource?: PauseSource): Promise<TestScheduler> {
  const client = await clientOn(server);
  const { connection, publisher, manager } = client;
  const { promise: neverSent, reject: giveUp } = Promise.withResolvers<never>();
  neverSent.catch(() => undefined); // where nothing was to be sent
  let isSending = true;
  const commands: CommandSender = {
    ...client.commands,
    start: (command) => (isSending ? client.commands.start(command) : neverSent),
  };
  const seen = new Sightings();
  const log = sightingLog(seen);
  const book = new ScheduleBook(log);
  const schedules = natsScheduleLog(connection, publisher, manager);
  const runs = natsRunLog(publisher, manager);
  const identity = processIdentity();
  const keeper = new StandstillKeeper({
    standstills: natsStandstillLog(connection, publisher, manager),
    clock,
    identity,
    log,
    ...(pauseSource && { pauseSource }),
    onChange: () => scheduler.armAll(),
  });
  const suspensions = async () => {
    await keeper.check();
    return keeper.suspensions();
  };
  const ends = new RunEnds({ runs, queued: natsQueuedRuns({ connection, manager }), laidAside: natsLaidAsideRuns(connection, manager) });
  const writer = new WatchedWriter({ book, schedules, ends, commands, clock, identity, log, suspensions });
  const scheduler = new Scheduler({ book, writer, schedules, clock, log, standsStill: () => keeper.state.now !== undefined });
  const desk = new ScheduleDesk({
    schedules,
    writer,
    timeZone: 'UTC',
    lanesOf: () => new Set(LANES),
    deadLetters: natsDeadLetters(publisher),
    announcer: natsAnnouncer(connection),
    log,
  });
  const control = new ControlDesk({ keeper, deadLetters: natsDeadLetters(publisher), announcer: natsAnnouncer(connection), log });
  await keeper.start();
  await scheduler.start();
  const leases = natsLeases(connection, manager, log);
  const open = (kind: 'schedule' | 'control', { hear }: { hear(lease: Lease): Promise<void> }) =>
    leases.open({ commands: { kind }, slots: new SlotPool(16).join(16), onLease: hear });
  const feeds = [
    await open('schedule', { hear: (lease) => desk.hear(lease) }),
    await open('control', { hear: (lease) => control.hear(lease) }),
  ];
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= Promise.all(feeds.map((feed) => feed.stop()))
      .then(() => keeper.stop())
      .then(() => {
        const stopped = scheduler.stop();
        giveUp(new Error('the process has ended'));
        return stopped;
      })
      .then(() => client[Symbol.asyncDispose]());
    return stopped;
  };
  const stopSending = () => {
    isSending = false;
    neverSent.catch(() => undefined);
  };
  return {
    client,
    source: identity.source,
    book,
    writer,
    get isWriting() {
      return writer.isBusy;
    },
    keeper,
    scheduler,
    seen,
    stopSending,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

class WatchedWriter extends ScheduleWriter {
  #busy = 0;

  get isBusy(): boolean {
    return this.#busy > 0;
  }

  override write(...args: Parameters<ScheduleWriter['write']>): ReturnType<ScheduleWriter['write']> {
    return this.#watch(super.write(...args));
  }

  override finish(known: KnownSchedule): Promise<void> {
    return this.#watch(super.finish(known));
  }

  async #watch<Result>(work: Promise<Result>): Promise<Result> {
    this.#busy++;
    try {
      return await work;
    } finally {
      this.#busy--;
    }
  }
}

/** Everything about a schedule, oldest first. */
export async function historyOf({ connection, publisher, manager }: Client, id: string): Promise<ScheduleEvent[]> {
  const events: ScheduleEvent[] = [];
  await natsScheduleLog(connection, publisher, manager).read(scheduleId(id), ({ bytes }) => void events.push(parseScheduleEvent(bytes)));
  return events;
}
export const ledgerOf = async (client: Client, id: ScheduleId | string): Promise<string[]> =>
  (await historyOf(client, id)).flatMap(({ data }) => [
    ...data.stretches.map(({ from, to, fate, rule }) => `${brief(from)}–${brief(to)} ${fate} ${rule}`),
    ...data.entries.map(({ dueAt, fate, rule }) => `${brief(dueAt)} ${fate} ${rule}`),
  ]);
const brief = (at: number) => new Date(at).toISOString().slice(5, 16);
