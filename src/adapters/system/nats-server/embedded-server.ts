/**
 * The embedded NATS server: a process of its own that the applications on one data folder share. Kept true, whoever dies when:
 *
 * 1. A data folder never has two servers. Start and stop happen under the folder's lock, and a server at work in the folder is found
 *    by the pid it has written itself, even when the process that started it died before it could write anything.
 * 2. The server outlives a crash of its users, with what they published; the next to start goes on with it.
 * 3. The last user to close stops it, whoever started it. Users who died do not count.
 *
 * One machine (or container) per data folder: processes are recognised by pid.
 */
import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { NatsServerStartError } from './errors.ts';
import { findNatsServer } from './find.ts';
import { withKernelLock } from './kernel-lock.ts';
import { launchServer, READY_MS, untilReady } from './launch.ts';
import { lastLines } from './log-file.ts';
import { preferPort } from './ports.ts';
import { endProcess, processBirth } from './processes.ts';
import { type ServerFolder, serverFolder, serverProcess } from './server-folder.ts';
import { confirmedRecord, removeRecord, type ServerRecord, writeRecord } from './server-record.ts';
import { recordStoreVersion, storeRequirement } from './store-version.ts';
import { countLivingUsers, registerUser } from './users.ts';
import { watchProcess } from './watch-process.ts';

const CONFIG_FILE = fileURLToPath(new URL('../../../../nats.conf', import.meta.url));
const STOP_MS = 10_000;

export type EmbeddedOptions = {
  /** The server's files are in `<dataDir>/nats`. */
  dataDir: string;
  env: NodeJS.ProcessEnv;
  /** See {@link findNatsServer}. */
  cacheDir?: string | undefined;
  report?: ((text: string) => void) | undefined;
  /** Used when it is free, otherwise the system chooses one; so it does for 0. @default 4222 */
  preferredPort?: number | undefined;
  /** The server ended while we were using it. It is not started again: the application decides. Not called on account of `close`. */
  onExit?: ((problem: string) => void) | undefined;
};

export type EmbeddedServer = ServerRecord & {
  /** False when it was running already. */
  owned: boolean;
  /** Gives the server up; stops it if nobody else on this data folder uses it. Safe to repeat. */
  close(): Promise<void>;
};

/**
 * Finds the data folder's server or starts it. Ready to use when this resolves: JetStream is up.
 *
 * @throws {NatsServerNotFoundError} There is no binary to start. The message says what was tried and what to do.
 * @throws {NatsServerStartError} It ended or did not answer. The message holds the end of its log.
 */
export async function openEmbeddedServer(options: EmbeddedOptions): Promise<EmbeddedServer> {
  const { dataDir, report = () => {}, onExit = () => {} } = options;
  const folder = await serverFolder(dataDir);
  const { record, owned, user } = await withKernelLock(
    folder.lockFile,
    async () => {
      const running = (await confirmedRecord(folder)) ?? (await adopt(folder));
      return { record: running ?? (await start(folder, options)), owned: running === undefined, user: await registerUser(folder.users) };
    },
    () => report('waiting for another process that is starting or stopping the NATS server'),
  );
  const unwatch = watchProcess(record.pid, async () =>
    onExit(`the embedded NATS server ended; its log ends with:\n${await lastLines(folder.logFile)}`),
  );

  let closing: Promise<void> | undefined;
  const close = () =>
    withKernelLock(folder.lockFile, async () => {
      unwatch();
      await rm(user, { force: true });
      if ((await countLivingUsers(folder.users)) > 0) return;
      const pid = await serverProcess(folder);
      if (pid !== undefined) await endProcess(pid, STOP_MS);
      await removeRecord(folder);
    });
  return { ...record, owned, close: () => (closing ??= close()) };
}

/** A server whose record is missing or wrong, because the process that started it was killed first, or somebody tidied up. */
async function adopt(folder: ServerFolder): Promise<ServerRecord | undefined> {
  const pid = await serverProcess(folder);
  if (pid === undefined) return undefined;
  const birth = processBirth(pid);
  const failure = () => (processBirth(pid) === birth ? undefined : 'ended while starting');
  try {
    return await recorded(folder, await untilReady({ folder: folder.path, pid: () => pid, readyMs: READY_MS, failure }));
  } catch (cause) {
    if (failure() !== undefined) return undefined; // then the folder is free for another
    const problem = `that already runs on this data (process ${pid}) ${(cause as Error).message}. End that process and start again`;
    throw new NatsServerStartError(problem, folder.logFile, await lastLines(folder.logFile), { cause });
  }
}

async function start(folder: ServerFolder, { env, cacheDir, report, preferredPort = 4222 }: EmbeddedOptions): Promise<ServerRecord> {
  const { path: binary } = await findNatsServer({ env, cacheDir, report, requirement: await storeRequirement(folder.path) });
  const serverName = `almanac-${randomUUID()}`;
  const launch = (port: number) => launchServer({ binary, configFile: CONFIG_FILE, folder: folder.path, port, serverName, env });
  const port = await preferPort(preferredPort);
  const running = await launch(port).catch((cause) => {
    // Free a moment ago, taken now.
    if (port > 0 && cause instanceof NatsServerStartError && cause.message.includes('address already in use')) return launch(-1);
    throw cause;
  });
  return recorded(folder, running);
}

async function recorded(folder: ServerFolder, { url, pid, serverName, version }: Omit<ServerRecord, 'startedAt'>): Promise<ServerRecord> {
  await recordStoreVersion(folder.path, version);
  const record = { url, pid, serverName, version, startedAt: new Date().toISOString() };
  await writeRecord(folder, record);
  return record;
}
