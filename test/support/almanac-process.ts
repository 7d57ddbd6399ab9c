/** The real program as its users run it: processes of `bin/almanac.js` on a data folder of their own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { endProcess, processBirth } from '../../src/adapters/system/nats-server/processes.ts';
import { existingServerFolder, serverProcess } from '../../src/adapters/system/nats-server/server-folder.ts';
import { testBinary } from './nats-binaries.ts';
import { type TemporaryFolder, temporaryFolder } from './temporary-folder.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/almanac.js', import.meta.url));
/** What a shell gives to every program; settings of the developer's own Almanac are not among it. */
const INHERITED = ['PATH', 'HOME', 'USER', 'TMPDIR', 'XDG_CACHE_HOME'] as const;

type Environment = Readonly<Record<string, string>>;

export interface Ended {
  /** null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A process of the program that is going on, or was. */
export interface Running {
  readonly pid: number;
  /** What it has written until now. */
  readonly stdout: string;
  readonly stderr: string;
  readonly ended: Promise<Ended>;
  /** Resolves when `text` has been written; rejects when the process ends before. */
  says(text: string | RegExp): Promise<void>;
  /** Sends the signal and waits for the end. */
  kill(signal: NodeJS.Signals): Promise<Ended>;
}

/** One data folder and the processes on it. All of them, and the NATS server they started, are gone after `dispose`. */
export interface Installation {
  readonly dataDir: string;
  readonly folder: TemporaryFolder;
  /** A command, to its end. */
  run(...args: string[]): Promise<Ended>;
  /** A command of which the process is wanted. */
  spawn(...args: string[]): Running;
  /** `almanac start`; resolves when it is running. */
  start(...args: string[]): Promise<Running>;
  /** Of the embedded server on this data folder, while there is one. */
  natsPid(): Promise<number | undefined>;
  dispose(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** @param env Settings, by their environment names. Without NATS_URL the installation brings its own server. */
export async function installation(env: Environment = {}): Promise<Installation> {
  const folder = temporaryFolder();
  const dataDir = join(folder.path, 'data');
  const inherited = Object.fromEntries(INHERITED.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])));
  const settings = { ALMANAC_DATA: dataDir, METRICS_PORT: '0', NATS_SERVER: (await testBinary()).path, ...env };
  const processes: Running[] = [];

  const here: Installation = {
    dataDir,
    folder,
    spawn(...args) {
      const child = spawn(process.execPath, [PROGRAM, ...args], {
        cwd: folder.path, // no settings file of ours
        env: { ...inherited, ...settings },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const running = watched(child);
      processes.push(running);
      return running;
    },
    run: (...args) => here.spawn(...args).ended,
    async start(...args) {
      const running = here.spawn('start', ...args);
      await running.says('Press Ctrl-C to stop.');
      return running;
    },
    async natsPid() {
      const server = await existingServerFolder(dataDir);
      return server && serverProcess(server);
    },
    async dispose() {
      process.off('exit', killAll);
      await Promise.all(processes.map(({ pid }) => endProcess(pid, 0)));
      const nats = await here.natsPid();
      if (nats !== undefined) await endProcess(nats, 0);
      folder.remove();
    },
    [Symbol.asyncDispose]: () => here.dispose(),
  };
  const killAll = () => {
    for (const { pid } of processes) if (isAlive(pid)) process.kill(pid, 'SIGKILL'); // a run of the tests that is broken off
  };
  process.once('exit', killAll);
  return here;
}

export const isAlive = (pid: number): boolean => processBirth(pid) !== undefined;

/** Of any program. */
export function watched(child: ChildProcess): Running {
  const written = { stdout: '', stderr: '' };
  const listeners = new Set<() => void>();
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]!.setEncoding('utf8').on('data', (text: string) => {
      written[name] += text;
      for (const listener of listeners) listener();
    });
  }
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, ...written }));
  return {
    pid: child.pid!,
    get stdout() {
      return written.stdout;
    },
    get stderr() {
      return written.stderr;
    },
    ended,
    says: (text) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (typeof text === 'string' ? !written.stdout.includes(text) : !text.test(written.stdout)) return;
          listeners.delete(look);
          resolve();
        };
        listeners.add(look);
        look();
        void ended.then(({ code, stdout, stderr }) =>
          reject(new Error(`the program ended (${code}) before it said ${text}:\n${stdout}\n${stderr}`)),
        );
      }),
    async kill(signal) {
      child.kill(signal);
      return ended;
    },
  };
}
