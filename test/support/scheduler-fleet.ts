/** Scheduler processes over one server. One that is killed is replaced at once, or when it is told to. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('./scheduler-process.ts', import.meta.url));

interface Place {
  readonly child: ChildProcess;
  /** Resolves to its name in the log once it works. */
  readonly ready: Promise<string>;
}

export class SchedulerFleet implements AsyncDisposable {
  readonly #url: string;
  readonly #places: Place[];

  constructor(url: string, processes: number) {
    this.#url = url;
    this.#places = Array.from({ length: processes }, () => this.#start());
  }

  get size(): number {
    return this.#places.length;
  }

  async ready(): Promise<void> {
    await Promise.all(this.#places.map(({ ready }) => ready));
  }

  /** Where in the fleet the process of that name is; undefined: it is none of those that live. */
  async placeOf(source: string): Promise<number | undefined> {
    const names = await Promise.all(this.#places.map(({ ready }) => ready));
    const place = names.indexOf(source);
    return place === -1 ? undefined : place;
  }

  /** Kills at once, without a turn in between. Resolves when another one has been started in its place. */
  async kill(place: number, restarted: Promise<unknown> = Promise.resolve()): Promise<void> {
    const { child } = this.#places[place]!;
    child.kill('SIGKILL');
    await once(child, 'exit');
    await restarted;
    this.#places[place] = this.#start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ends = this.#places.map(async ({ child }) => {
      child.kill('SIGTERM');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    });
    await Promise.all(ends);
  }

  #start(): Place {
    const child = fork(PROGRAM, [this.#url], { execArgv: [] });
    return { child, ready: once(child, 'message').then(([source]) => source as string) };
  }
}
