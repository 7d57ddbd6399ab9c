/** Processes of the program that die in the middle of a run, and everything by which to see that nobody notices. */
import { mkdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/transport-node';
import { expect, vi } from 'vitest';
import { connect } from '../../src/adapters/nats/connection.ts';
import { type Client, openClient } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import { jobTypeId, type RunId, runId } from '../../src/domain/ids.ts';
import type { RunEvent } from '../../src/domain/run-event.ts';
import type { RunView } from '../../src/runtime/run-view.ts';
import { runEventFilter } from '../../streams/events.stream.ts';
import { type Installation, installation, isAlive, type Running } from './almanac-process.ts';
import { commandsLeft } from './commands-left.ts';
import { generateVault } from './generate-vault.ts';
import { type GraphFile, graphFile } from './graph-file.ts';
import type { TestServer } from './nats-server.ts';

export const VAULT_SYNC = jobTypeId('vault-sync');
export const STATES = ['scanning', 'reconciling', 'validatingReferences', 'reporting'] as const;
export type State = (typeof STATES)[number];

/** They make looking through the vault, which is all that `scanning` does, last long enough to be interrupted. */
const EMPTY_FOLDERS = 800;

/** When the process that holds the run dies: so long after the run entered a state, or after its command was sent. */
export interface Moment {
  readonly state: State | undefined;
  readonly afterMs: number;
}

export interface Crash {
  readonly run: RunView;
  /** Where the log stood when the process was dead. */
  readonly state: string;
  readonly msUntilEnd: number;
  /** Everything in the graph, without the times of writing. */
  readonly graph: string;
}

export class CrashScene {
  readonly #home: Installation;
  readonly #client: Client;
  readonly #connection: NatsConnection;
  readonly #vault: string;
  readonly graph: GraphFile;
  #alive: Running[];
  #runs = 0;

  private constructor(home: Installation, client: Client, connection: NatsConnection, vault: string, first: Running) {
    this.#alive = [first];
    this.#home = home;
    this.#client = client;
    this.#connection = connection;
    this.#vault = vault;
    this.graph = graphFile(home.dataDir);
  }

  static async open(server: TestServer, vaultSize: { files: number; blocksPerFile: number }): Promise<CrashScene> {
    const home = await installation({ NATS_URL: server.url, ENABLE_MONITORING: 'false', ALMANAC_LEASE_SECONDS: '0.5' });
    const vault = `${home.folder.path}/vault`;
    generateVault(vault, { ...vaultSize, seed: 'crash' });
    for (let at = 0; at < EMPTY_FOLDERS; at++) mkdirSync(`${vault}/conversations/empty/${at}`, { recursive: true });
    const first = await home.start('--vault', vault, '--no-first-sync');
    const client = await openClient(readConfig({ NATS_URL: server.url }));
    const { connection } = await connect({ url: server.url, name: 'crash-scene' });
    return new CrashScene(home, client, connection, vault, first);
  }

  get operations() {
    return this.#client.operations;
  }

  /** So many processes go on from here. Further ones end in order. */
  async processes(count: number): Promise<void> {
    this.#alive = this.#alive.filter(({ pid }) => isAlive(pid));
    for (const surplus of this.#alive.splice(count)) expect(await surplus.kill('SIGTERM')).toMatchObject({ code: 0 });
    while (this.#alive.length < count) this.#alive.push(await this.#home.start('--vault', this.#vault, '--no-first-sync'));
  }

  /** A run on an empty graph that nobody disturbs. */
  async undisturbed(): Promise<{ run: RunView; graph: string }> {
    this.graph.empty();
    const run = await this.#ended(this.#nextRun());
    return { run, graph: this.graph.contents() };
  }

  /**
   * A run on an empty graph whose holder is killed with SIGKILL.
   * @param beside Another process is alive already; otherwise one is started afterwards.
   */
  async crash(moment: Moment, beside: boolean): Promise<Crash> {
    this.graph.empty();
    await this.processes(beside ? 2 : 1);
    const id = this.#nextRun();
    const victim = this.#victimAt(id, moment);
    const ended = this.#ended(id);
    await (await victim).kill('SIGKILL');
    const killedAt = performance.now();
    const state = (await this.#stateOf(id)) ?? 'not started';
    if (!beside) await this.processes(1);
    const run = await ended;
    const msUntilEnd = performance.now() - killedAt;
    await vi.waitFor(async () => expect(await commandsLeft(this.#connection)).toEqual({ stored: 0, unacknowledged: 0 }), 20_000);
    return { run, state, msUntilEnd, graph: this.graph.contents() };
  }

  async dispose(): Promise<void> {
    this.graph.release();
    await this.#client.close();
    await this.#connection.close();
    await this.#home.dispose();
  }

  /** Resolves at the moment, to the process that holds the run then, or to any if nobody does yet. */
  async #victimAt(id: RunId, { state, afterMs }: Moment): Promise<Running> {
    let holder: Running | undefined;
    const { promise: entered, resolve } = Promise.withResolvers<void>();
    const subscription = this.#connection.subscribe(runEventFilter(VAULT_SYNC, id), {
      callback: (_, message) => {
        const { source, data } = message.json<RunEvent>();
        holder = this.#alive.find(({ pid }) => source.includes(`-${pid}-`));
        // This state is over in two milliseconds unless the graph is busy.
        if (state === 'reporting' && data.to === 'validatingReferences') this.graph.hold();
        if (data.to === state) resolve();
      },
    });
    await this.#connection.flush();
    if (state === undefined) resolve();
    await entered;
    if (afterMs > 0) await delay(afterMs);
    const victim = holder ?? this.#alive[0]!;
    process.kill(victim.pid, 'SIGKILL'); // now, not a turn later
    subscription.unsubscribe();
    this.graph.release();
    return victim;
  }

  #nextRun = (): RunId => runId(`crash-${++this.#runs}`);

  #ended(id: RunId): Promise<RunView> {
    return this.operations.startRunAndWait({ jobType: VAULT_SYNC, runId: id }, () => {});
  }

  async #stateOf(id: RunId): Promise<string | undefined> {
    const view = await this.operations.describeRun(id).catch(() => undefined);
    return view?.outcome === null ? view.state : view?.outcome;
  }
}
