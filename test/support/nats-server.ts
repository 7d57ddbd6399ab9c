/** Real NATS servers for tests: own port, own folder, gone afterwards. */
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { launchServer } from '../../src/adapters/system/nats-server/launch.ts';
import { endProcess } from '../../src/adapters/system/nats-server/processes.ts';
import { freePort } from './free-port.ts';
import { testBinary, type WhichServer } from './nats-binaries.ts';

export type TestServerOptions = {
  /** @default ALMANAC_TEST_NATS, or `newest` */
  which?: WhichServer;
  /** Kept when the server is disposed; give the same one to two servers, one after the other, to test an upgrade. @default a temporary folder, removed. */
  storeDir?: string;
  /** What JetStream may keep on disk, e.g. `1MB`: beyond it, publishing is refused as on a full disk. @default as in nats.conf */
  maxFileStore?: string;
  /** @default a free one */
  port?: number;
};

export type TestServer = {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly version: string;
  /** Ends the process and waits for it; the store stays. SIGKILL is a crash, SIGTERM an orderly end. @default SIGTERM */
  stop(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** Stops it if it runs, then starts it again on the same port and store; with another binary, if named. */
  restart(options?: { signal?: 'SIGTERM' | 'SIGKILL'; which?: WhichServer }): Promise<void>;
  /** Stops it and removes its folder. Also `await using`. */
  dispose(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

const NATS_CONF = new URL('../../nats.conf', import.meta.url);
const GRACE_MS = 10_000;

export async function startTestServer({ which, storeDir, maxFileStore, port }: TestServerOptions = {}): Promise<TestServer> {
  const temporary = await mkdtemp(join(tmpdir(), 'almanac-nats-'));
  const folder = storeDir ?? join(temporary, 'nats');
  await mkdir(folder, { recursive: true });
  const configFile = join(temporary, 'nats.conf');
  await writeFile(configFile, await config(maxFileStore));
  const launch = async (binary: WhichServer | undefined, onPort: number) =>
    launchServer({
      binary: (await testBinary(binary)).path,
      configFile,
      folder,
      port: onPort,
      serverName: 'almanac-test',
      env: process.env,
      ownSession: false,
    });

  const discard = () => rm(temporary, { recursive: true, force: true });
  let running = await launch(which, port ?? (await freePort())).catch(async (cause) => {
    await discard();
    throw cause;
  });
  const endWithUs = () => running.child.kill('SIGKILL'); // a run that is broken off never gets to dispose
  process.once('exit', endWithUs);
  const server: TestServer = {
    get url() {
      return running.url;
    },
    get port() {
      return Number(new URL(running.url).port);
    },
    get pid() {
      return running.pid;
    },
    get version() {
      return running.version;
    },
    async stop(signal = 'SIGTERM') {
      const { child, pid } = running;
      child.ref(); // to be told of its end, even if nothing else is going on any more
      const reaped = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined;
      await endProcess(pid, signal === 'SIGKILL' ? 0 : GRACE_MS);
      await reaped;
    },
    async restart({ signal, which: other = which } = {}) {
      await server.stop(signal);
      running = await launch(other, server.port);
    },
    async dispose() {
      await server.stop('SIGKILL');
      process.off('exit', endWithUs);
      await discard();
    },
    [Symbol.asyncDispose]: () => server.dispose(),
  };
  return server;
}

/** One server for the tests of a file, or of a `describe`. Its fields may be read from `beforeAll` on. */
export function useNatsServer(options: TestServerOptions = {}): TestServer {
  let server: TestServer | undefined;
  beforeAll(async () => {
    server = await startTestServer(options);
  });
  afterAll(() => server?.dispose());
  return new Proxy({} as TestServer, {
    get(_, key) {
      if (server === undefined)
        throw new Error('the test server starts in beforeAll: read it inside a test or a hook, not while the file is loaded');
      return server[key as keyof TestServer];
    },
  });
}

async function config(maxFileStore: string | undefined): Promise<string> {
  const text = await readFile(NATS_CONF, 'utf8');
  if (maxFileStore === undefined) return text;
  const changed = text.replace(/^( *max_file_store: ).*$/m, `$1${maxFileStore}`);
  if (changed === text) throw new Error('nats.conf has no line "max_file_store: …" to change');
  return changed;
}
