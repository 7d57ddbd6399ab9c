/** The worker processes of a scenario, each behind a connection of its own that can be cut. A place that becomes empty is filled again. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type TcpProxy, tcpProxy } from '../support/tcp-proxy.ts';
import type { FromWorker, ToWorker } from './worker.ts';

const WORKER = fileURLToPath(new URL('./worker.ts', import.meta.url));

export interface FleetOptions {
  readonly server: { readonly port: number };
  /** For what the activities write down. */
  readonly effects: string;
  /** For what the processes say. */
  readonly logs: string;
  readonly leaseMs: number;
  readonly workers: number;
}

export interface Death {
  readonly source: string;
  /** When it was told, or made, to end. Milliseconds since the epoch, by the machine's clock. */
  readonly signalledAt: number;
  /** When it was gone. */
  readonly at: number;
  readonly signal: 'SIGKILL' | 'SIGTERM';
}

interface Process {
  readonly child: ChildProcess;
  readonly ended: Promise<unknown>;
  /** Resolves to its name once it works. */
  readonly ready: Promise<string>;
}

export class Worker {
  readonly #options: FleetOptions;
  readonly #deaths: Death[];
  readonly #problems: string[];
  readonly proxy: TcpProxy;
  readonly #log: number;
  #process: Process;
  #offsetMs = 0;
  #replaced: Promise<void> = Promise.resolve();
  /** It is to end, or is being replaced: its end is no surprise. */
  readonly #expectedToEnd = new WeakSet<ChildProcess>();

  constructor(options: FleetOptions, proxy: TcpProxy, name: string, deaths: Death[], problems: string[]) {
    this.#options = options;
    this.proxy = proxy;
    this.#deaths = deaths;
    this.#problems = problems;
    this.#log = openSync(join(options.logs, `${name}.log`), 'a');
    this.#process = this.#start();
  }

  get ready(): Promise<string> {
    return this.#process.ready;
  }

  /** Ends the process and starts another one in its place; does not wait for that one to work. One after the other. */
  replace(signal: Death['signal'], offsetMs: number): Promise<void> {
    this.#replaced = this.#replaced.then(() => this.#replace(signal, offsetMs));
    return this.#replaced;
  }

  async #replace(signal: Death['signal'], offsetMs: number): Promise<void> {
    const { child, ended, ready } = this.#process;
    const source = await ready;
    this.#expectedToEnd.add(child);
    const signalledAt = Date.now();
    child.kill(signal);
    await ended;
    this.#deaths.push({ source, signalledAt, at: Date.now(), signal });
    this.#offsetMs = offsetMs;
    this.#process = this.#start();
  }

  async pause(): Promise<{ source: string; goOn: () => void }> {
    const { child, ready } = this.#process;
    const source = await ready;
    child.kill('SIGSTOP');
    return { source, goOn: () => void child.kill('SIGCONT') };
  }

  /** @returns The process whose clock it is, and how far it moved. */
  async setClock(offsetMs: number): Promise<{ source: string; byMs: number }> {
    const { child, ready } = this.#process;
    const source = await ready;
    const byMs = offsetMs - this.#offsetMs;
    this.#offsetMs = offsetMs;
    if (child.connected) child.send({ offsetMs } satisfies ToWorker, () => undefined);
    return { source, byMs };
  }

  async dispose(): Promise<void> {
    const { child, ended } = this.#process;
    this.#expectedToEnd.add(child);
    child.kill('SIGKILL');
    await ended;
    closeSync(this.#log);
    await this.proxy[Symbol.asyncDispose]();
  }

  #start(): Process {
    const { effects, leaseMs } = this.#options;
    const child = fork(WORKER, [this.proxy.url, effects, String(leaseMs), String(this.#offsetMs)], {
      execArgv: [],
      stdio: ['ignore', this.#log, this.#log, 'ipc'],
    });
    const endWithUs = () => child.kill('SIGKILL'); // one that is stopped would not notice that its parent has ended
    process.once('exit', endWithUs);
    const ended = once(child, 'exit').then(([code, signal]) => {
      process.off('exit', endWithUs);
      if (!this.#expectedToEnd.has(child)) this.#problems.push(`a worker ended by itself, with ${code ?? signal}`);
    });
    const ready = new Promise<string>((resolve) => child.once('message', (message) => resolve((message as FromWorker).ready)));
    return { child, ended, ready };
  }
}

export class Fleet implements AsyncDisposable {
  readonly workers: readonly Worker[];
  readonly deaths: readonly Death[];
  /** What no worker should do. */
  readonly problems: readonly string[];

  private constructor(workers: readonly Worker[], deaths: readonly Death[], problems: readonly string[]) {
    this.workers = workers;
    this.deaths = deaths;
    this.problems = problems;
  }

  static async start(options: FleetOptions): Promise<Fleet> {
    const deaths: Death[] = [];
    const problems: string[] = [];
    const names = Array.from({ length: options.workers }, (_, index) => `worker-${index}`);
    const workers = await Promise.all(
      names.map(async (name) => new Worker(options, await tcpProxy(options.server), name, deaths, problems)),
    );
    await Promise.all(workers.map(({ ready }) => ready));
    return new Fleet(workers, deaths, problems);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.dispose()));
  }
}
