/** Three workers, many runs and one saboteur: plays a plan to its end and hands over what there is to check. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { publishConfirmed } from '../../src/adapters/nats/publish-confirmed.ts';
import { StorageRefusedError } from '../../src/domain/errors.ts';
import { jobTypeId, runId } from '../../src/domain/ids.ts';
import { type Client, clientOn } from '../support/host-on.ts';
import { startTestServer, type TestServer, type TestServerOptions } from '../support/nats-server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { type Evidence, gatherEvidence, type LoggedEvent, type SentSignal } from './evidence.ts';
import { Fleet } from './fleet.ts';
import { chaosJobs, LIMITS, PARK_AFTER_MS } from './jobs.ts';
import { type Mix, type PlannedRun, type PlannedSignal, plannedFault, plannedRun, WORKERS } from './plan.ts';
import { Saboteur } from './saboteur.ts';

export interface ScenarioOptions {
  readonly seed: string;
  /** Goes on until so many runs were started… */
  readonly runs: number;
  /** …so much went wrong… */
  readonly faults?: number;
  /** …so many workers were killed… */
  readonly kills?: number;
  /** …and so much time has passed. */
  readonly lastingMs?: number;
  readonly mix: Mix;
  /** Between two faults, on average. */
  readonly meanEvents: number;
  /** Between two faults, at least. @default 0 */
  readonly restMs?: number;
  /** Of the job type that waits long. */
  readonly patientMs: { readonly from: number; readonly to: number };
  readonly leaseMs: number;
  readonly which?: TestServerOptions['which'];
  /** Kept, with the logs of the workers. @default a temporary folder, removed */
  readonly folder?: string | undefined;
  readonly onProgress?: (progress: Progress) => void;
}

export interface Progress {
  readonly sent: number;
  readonly open: number;
  readonly events: number;
  readonly faults: number;
  readonly kills: number;
}

export interface Played {
  readonly evidence: Evidence;
  readonly faults: Saboteur['counts'];
  readonly server: string;
  readonly seconds: number;
}

/** Start commands that wait or are held, at most. */
const BACKLOG = 80;
/** A fault does not wait longer than this for its event: there may be nobody left who makes one. */
const PATIENCE_MS = 1_500;
const LOOK_EVERY_MS = 20;
/** Longer than any timer. */
const LAST_JUMP_MS = 60_000;
const UNTIL_ALL_DONE_MS = 90_000;

export async function play(options: ScenarioOptions): Promise<Played> {
  const temporary = temporaryFolder();
  const folder = options.folder ?? temporary.path;
  const [effects, logs] = [join(folder, 'effects'), join(folder, 'logs')] as const;
  for (const path of [effects, logs]) mkdirSync(path, { recursive: true });
  const beganAt = performance.now();
  await using server = await startTestServer(options.which === undefined ? {} : { which: options.which });
  await using client = await clientOn(server);
  await using fleet = await Fleet.start({ server, effects, logs, leaseMs: options.leaseMs, workers: WORKERS });
  const scenario = new Scenario(options, server, client, fleet);
  await scenario.play();
  const evidence = await gatherEvidence({
    connection: client.connection,
    effects,
    expected: scenario.sent,
    signals: scenario.signals,
    parkAfterMs: PARK_AFTER_MS,
    limits: LIMITS,
    machines: Object.fromEntries(chaosJobs(() => undefined).map(({ jobType: { id, machine } }) => [id, machine])),
    deaths: fleet.deaths,
    outages: scenario.saboteur.outages,
    clocksSetBack: scenario.saboteur.clocksSetBack,
    problems: fleet.problems,
  });
  const seconds = (performance.now() - beganAt) / 1_000;
  temporary.remove();
  return { evidence, faults: scenario.saboteur.counts, server: server.version, seconds };
}

class Scenario {
  readonly #options: ScenarioOptions;
  readonly #client: Client;
  readonly saboteur: Saboteur;
  readonly sent: PlannedRun[] = [];
  readonly signals: SentSignal[] = [];
  readonly #started = new Set<string>();
  #events = 0;
  #faults = 0;
  #faultsDone = false;
  #lastOpen = 0;

  constructor(options: ScenarioOptions, server: TestServer, client: Client, fleet: Fleet) {
    this.#options = options;
    this.#client = client;
    this.saboteur = new Saboteur(server, fleet);
  }

  async play(): Promise<void> {
    const watching = this.#client.connection.subscribe('evt.run.>', { callback: () => void this.#events++ });
    await this.#client.connection.flush();
    await Promise.all([this.#feed(), this.#sabotage()]);
    await this.saboteur.settled();
    await this.#resumePaused();
    await this.#untilAllDone();
    watching.unsubscribe();
  }

  get #kills(): number {
    return this.saboteur.counts.kill ?? 0;
  }

  /** How many start commands wait or are held. */
  async #open(): Promise<number> {
    this.#lastOpen = (await this.#commands('cmd.*.start.*')).length;
    return this.#lastOpen;
  }

  /** The subject of each command. */
  async #commands(filter: string): Promise<string[]> {
    for (;;) {
      try {
        const { state } = await this.#client.manager.streams.info('COMMANDS', { subjects_filter: filter });
        return Object.entries(state.subjects ?? {}).flatMap(([subject, count]) => Array.from({ length: count }, () => subject));
      } catch {
        await delay(LOOK_EVERY_MS); // the server is away just now
      }
    }
  }

  async #feed(): Promise<void> {
    const { seed, runs, patientMs } = this.#options;
    const later = new Map<number, (() => Promise<void>)[]>();
    const put = (at: number, send: () => Promise<void>) => later.set(at, [...(later.get(at) ?? []), send]);
    let index = 0;
    for (; this.sent.length < runs || !this.#faultsDone; index++) {
      const run = plannedRun(seed, index, patientMs);
      this.sent.push(run);
      put(index + run.late, () => this.#send(run));
      if (run.repeats.atOnce) put(index + run.late, () => this.#send(run));
      const { after } = run.repeats;
      if (after !== null) put(index + run.late + after, () => this.#send(run, `${run.runId}-again`));
      for (const signal of run.signals) put(index + signal.after, () => this.#tell(run, signal));
      for (const send of later.get(index) ?? []) await send();
      later.delete(index);
      while ((await this.#open()) >= BACKLOG) await delay(LOOK_EVERY_MS);
    }
    for (const sends of later.values()) for (const send of sends) await send();
  }

  async #send({ jobType, runId: id, input, lane }: PlannedRun, messageId?: string): Promise<void> {
    const command = { jobType: jobTypeId(jobType), runId: runId(id), input, lane, ...(messageId && { messageId }) };
    await this.#untilStored(() => this.#client.commands.start(command));
    this.#started.add(`${jobType}/${id}`);
  }

  async #tell({ jobType, runId, lane }: PlannedRun, { type, twice }: Pick<PlannedSignal, 'type' | 'twice'>): Promise<void> {
    const run = `${jobType}/${runId}`;
    const early = !this.#started.has(run);
    const subject = type === 'restart' ? `cmd.${jobType}.start.${lane}` : `cmd.${jobType}.signal.${runId}`;
    const body = Buffer.from(JSON.stringify(type === 'restart' ? { key: runId, again: 'restart' } : { event: { type } }));
    const messageId = `signal ${this.signals.length}`;
    const send = () => this.#untilStored(() => publishConfirmed(this.#client.publisher, subject, body, { messageId }));
    const stored = [await send(), ...(twice ? [await send()] : [])];
    this.signals.push({ run, type, early, commands: new Set(stored.map(({ sequence }) => sequence)) });
  }

  async #untilStored<Answer>(send: () => Promise<Answer>): Promise<Answer> {
    for (;;) {
      try {
        return await send();
      } catch (error) {
        if (!(error instanceof StorageRefusedError)) throw error;
        await delay(LOOK_EVERY_MS); // the server is up again, its streams are not yet
      }
    }
  }

  async #sabotage(): Promise<void> {
    const { seed, mix, meanEvents, runs, faults = 0, kills = 0, lastingMs = 0, restMs = 0, onProgress } = this.#options;
    const until = performance.now() + lastingMs;
    for (let index = 0; this.sent.length < runs || index < faults || this.#kills < kills || performance.now() < until; index++) {
      const { afterEvents, fault } = plannedFault(seed, index, mix, meanEvents);
      const [from, patience] = [this.#events, performance.now() + PATIENCE_MS];
      while (this.#events - from < afterEvents && performance.now() < patience) await delay(5);
      await this.saboteur.commit(fault);
      await delay(restMs);
      this.#faults++;
      onProgress?.(this.#progress());
    }
    this.#faultsDone = true;
  }

  /** A resume may have been carried out before the pause that it was to end. */
  async #resumePaused(): Promise<void> {
    const until = performance.now() + UNTIL_ALL_DONE_MS;
    while ((await this.#commands('cmd.*.signal.*')).length > 0 && performance.now() < until) await delay(LOOK_EVERY_MS);
    for (const run of this.sent)
      if (run.signals.some(({ type }) => type === 'pause')) await this.#tell(run, { type: 'resume', twice: false });
  }

  /** Wakes of runs that have ended do not count: each finds out at its time. */
  async #isAllDone(): Promise<boolean> {
    if ((await this.#open()) + (await this.#commands('cmd.*.signal.*')).length > 0) return false;
    for await (const { name, num_ack_pending } of this.#client.manager.consumers.list('COMMANDS')) {
      if (num_ack_pending > 0 && name !== 'wake') return false; // a server 2.9 that was killed remembers what is gone, until somebody notices
    }
    for (const wake of await this.#commands('cmd.*.wake.*')) {
      const [, jobType, , run] = wake.split('.');
      const last = await this.#client.manager.streams.getMessage('EVENTS', { last_by_subj: `evt.run.${jobType}.${run}` });
      if (last?.json<LoggedEvent>().data.outcome === undefined) return false;
    }
    return true;
  }

  /** Everything is repaired: what is not done by now is soon, or never. */
  async #untilAllDone(): Promise<void> {
    const until = performance.now() + UNTIL_ALL_DONE_MS;
    for (;;) {
      if ((await this.#isAllDone()) || performance.now() > until) return;
      this.#options.onProgress?.(this.#progress());
      await this.saboteur.setClocks(LAST_JUMP_MS);
      await delay(500);
    }
  }

  #progress = (): Progress => ({
    sent: this.sent.length,
    open: this.#lastOpen,
    events: this.#events,
    faults: this.#faults,
    kills: this.#kills,
  });
}
