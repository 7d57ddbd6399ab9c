/** Starts a server process and waits until it serves. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { NatsServerStartError } from './errors.ts';
import { lastLines, openLog } from './log-file.ts';
import { probe, type ServerIdentity } from './probe.ts';
import { endProcess } from './processes.ts';
import { folderFlags, sweepWrittenUrls, writtenUrl } from './server-folder.ts';

const POLL_MS = 10;
const TERM_MS = 10_000;
/** For a start to the first answer. Before it listens, the server reads back its whole store. */
export const READY_MS = 30_000;

export type Launch = {
  binary: string;
  configFile: string;
  /** Everything the server writes goes here. Must exist; nobody else may use it. */
  folder: string;
  /** -1 lets the system choose. */
  port: number;
  serverName: string;
  env: NodeJS.ProcessEnv;
  readyMs?: number;
  /** False keeps it in our process group, so that Ctrl-C ends it with us: for tests. @default true */
  ownSession?: boolean;
};
export type RunningServer = ServerIdentity & { url: string; pid: number };

/**
 * The process leads a session of its own, so neither Ctrl-C in our terminal nor its closing reaches it: the application ends it, after
 * its own last write. It is a child all the same, but we do not wait for it: Node may exit and leave it running.
 *
 * @throws {NatsServerStartError} It ended, or did not answer in time; no process is left. The message holds its last words.
 */
export async function launchServer({
  binary,
  configFile,
  folder,
  port,
  serverName,
  env,
  readyMs = READY_MS,
  ownSession = true,
}: Launch): Promise<RunningServer & { child: ChildProcess }> {
  const files = { path: folder, pidFile: join(folder, 'server.pid') };
  const logFile = join(folder, 'server.log');
  await sweepWrittenUrls(files);
  const log = openLog(logFile);
  const flags = ['-c', configFile, '-a', '127.0.0.1', '-p', String(port), '-n', serverName, ...folderFlags(files)];
  const child = spawn(binary, flags, { detached: ownSession, stdio: ['ignore', log, log], env, cwd: folder });
  closeSync(log);
  child.unref();
  let failure: string | undefined;
  child.once('error', (cause) => {
    failure = `could not be started: ${cause.message}`;
  });
  child.once('exit', (code, signal) => {
    failure ??= `ended while starting, with ${signal ?? `exit code ${code}`}`;
  });
  try {
    const running = await untilReady({ folder, pid: () => child.pid, readyMs, failure: () => failure });
    return { ...running, child };
  } catch (cause) {
    if (child.pid !== undefined) await endProcess(child.pid, TERM_MS);
    throw new NatsServerStartError((cause as Error).message, logFile, await lastLines(logFile), { cause });
  }
}

type Waiting = { folder: string; pid: () => number | undefined; readyMs: number; failure: () => string | undefined };

/** Resolves when the server has written its address, answers there and has JetStream. Rejects with what to say about it. */
export async function untilReady({ folder, pid, readyMs, failure }: Waiting): Promise<RunningServer> {
  let lastProblem = 'it is not listening yet';
  for (const deadline = performance.now() + readyMs; performance.now() < deadline; await delay(POLL_MS)) {
    const ended = failure();
    if (ended !== undefined) throw new Error(ended);
    const id = pid();
    const url = id === undefined ? undefined : await writtenUrl({ path: folder }, id);
    if (id === undefined || url === undefined) continue;
    const answer = await probe(url).catch((cause: Error) => cause);
    if (!(answer instanceof Error) && answer.jetStream) return { ...answer, url, pid: id };
    lastProblem = answer instanceof Error ? `${url}: ${answer.message}` : `${url}: JetStream is not up`;
  }
  throw new Error(`was not ready within ${readyMs / 1000} s: ${lastProblem}`);
}
