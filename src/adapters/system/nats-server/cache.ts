/** Our own copies of the server: `<cacheDir>/nats-server/<label>/nats-server`, label being a version or `debian`. Complete or absent. */
import { chmod, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { withKernelLock } from './kernel-lock.ts';

/** `$XDG_CACHE_HOME/almanac`, or `~/.cache/almanac`. */
export function defaultCacheDir(env: NodeJS.ProcessEnv): string {
  return join(env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache'), 'almanac');
}

const rootOf = (cacheDir: string): string => join(cacheDir, 'nats-server');

/** Paths of all copies, or of those with one of the labels; in no order. */
export async function cachedBinaries(cacheDir: string, labels?: readonly string[]): Promise<string[]> {
  const entries = await readdir(rootOf(cacheDir), { withFileTypes: true }).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return [];
    throw cause;
  });
  return entries
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.') && (labels?.includes(entry.name) ?? true))
    .map(({ name }) => join(rootOf(cacheDir), name, 'nats-server'));
}

/**
 * Adds a copy under a label. `obtain` works in a folder of its own and returns the path of the binary there; only then is it moved
 * into place in one step, so nobody ever sees half a file.
 */
export async function addToCache(cacheDir: string, label: string, obtain: (folder: string) => Promise<string>): Promise<string> {
  const folder = join(rootOf(cacheDir), label);
  await mkdir(rootOf(cacheDir), { recursive: true });
  const work = await mkdtemp(join(rootOf(cacheDir), '.incoming-'));
  try {
    const binary = await obtain(work);
    await chmod(binary, 0o755);
    await mkdir(folder, { recursive: true });
    await rename(binary, join(folder, 'nats-server'));
    return join(folder, 'nats-server');
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** One process installs; the others wait, and then find what it left. */
export function withInstallLock<T>(cacheDir: string, action: () => Promise<T>, onWait: () => void): Promise<T> {
  return withKernelLock(join(rootOf(cacheDir), 'install.lock'), action, onWait);
}
