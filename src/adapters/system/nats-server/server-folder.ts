/** The files of one embedded server, all in `<dataDir>/nats`. One folder, one server: two on the same store would ruin it. */
import { mkdir, readdir, readFile, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { processCommand } from './processes.ts';

export type ServerFolder = {
  path: string;
  /** Held while a server is looked for, started or stopped. */
  lockFile: string;
  /** Where clients look; ours. */
  recordFile: string;
  /** Written by the server itself before it opens its store, so even a start that was cut short leaves its pid. */
  pidFile: string;
  logFile: string;
  /** One file per open user of the server. */
  users: string;
};

/** Made if it is not there. */
export async function serverFolder(dataDir: string): Promise<ServerFolder> {
  await mkdir(join(dataDir, 'nats', 'users'), { recursive: true });
  return (await existingServerFolder(dataDir))!;
}

/** Undefined when no server ever ran on this data folder. */
export async function existingServerFolder(dataDir: string): Promise<ServerFolder | undefined> {
  // Links resolved, because a server's command line is recognised by the folder's one true name.
  const path = await realpath(join(dataDir, 'nats')).catch(() => undefined);
  if (path === undefined) return undefined;
  const inside = (name: string) => join(path, name);
  return {
    path,
    lockFile: inside('start.lock'),
    recordFile: inside('server.json'),
    pidFile: inside('server.pid'),
    logFile: inside('server.log'),
    users: inside('users'),
  };
}

/** The flags that tie a server to a folder: what it writes there, and how we recognise it among all processes. */
export const folderFlags = ({ path, pidFile }: Pick<ServerFolder, 'path' | 'pidFile'>): string[] => [
  '-sd',
  path,
  '--ports_file_dir',
  path,
  '-P',
  pidFile,
];

/** Pid of the server that works in this folder, whoever started it and whether it answers or not; undefined when there is none. */
export async function serverProcess(folder: Pick<ServerFolder, 'path' | 'pidFile'>): Promise<number | undefined> {
  const pid = Number(await readFile(folder.pidFile, 'utf8').catch(() => ''));
  return pid > 0 && processCommand(pid).includes(folderFlags(folder).join(' ')) ? pid : undefined;
}

/** The client address that the server has written down, as it does when it listens; undefined until then. */
export async function writtenUrl(folder: Pick<ServerFolder, 'path'>, pid: number): Promise<string | undefined> {
  const name = (await readdir(folder.path)).find((entry) => entry.endsWith(`_${pid}.ports`));
  if (name === undefined) return undefined;
  try {
    return (JSON.parse(await readFile(join(folder.path, name), 'utf8')) as { nats: string[] }).nats[0];
  } catch {
    return undefined; // half written: the next look finds it whole
  }
}

/** Address files of servers that were killed. */
export async function sweepWrittenUrls(folder: Pick<ServerFolder, 'path'>): Promise<void> {
  const stale = (await readdir(folder.path)).filter((entry) => entry.endsWith('.ports'));
  await Promise.all(stale.map((entry) => rm(join(folder.path, entry), { force: true })));
}
