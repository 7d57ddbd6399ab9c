import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { addToCache } from '../cache.ts';
import { run } from '../command.ts';
import type { Search, Source } from '../source.ts';

const DOWNLOAD_MS = 120_000;

/** Debian's (or Ubuntu's) package, downloaded and unpacked but not installed: needs no root, starts no service. */
export const fromDebianPackage: Source = {
  name: 'Debian package',
  installs: true,
  nothing: 'this is not Debian or a relative: there is no apt-get',
  async look(search) {
    if (!(await hasApt(search))) return [];
    search.report("downloading Debian's package of NATS Server");
    const binary = await addToCache(search.cacheDir, 'debian', async (work) => {
      await downloadPackages(work, ['nats-server'], search);
      const archive = (await readdir(work)).find((name) => name.endsWith('.deb'));
      if (archive === undefined) throw new Error('apt-get download left no package');
      await run('dpkg', ['-x', archive, 'unpacked'], { cwd: work, env: search.env, timeoutMs: 60_000 });
      return join(work, 'unpacked/usr/sbin/nats-server');
    });
    return [binary];
  },
};

const hasApt = ({ env }: Search): Promise<boolean> =>
  run('apt-get', ['--version'], { env, timeoutMs: 10_000 }).then(
    () => true,
    () => false,
  );

/** Package lists may be missing (fresh containers) or so old that the package has gone; root can renew them, once. */
export async function downloadPackages(
  folder: string,
  names: readonly string[],
  { env, report }: Pick<Search, 'env' | 'report'>,
): Promise<void> {
  const download = () => run('apt-get', ['download', ...names], { cwd: folder, env, timeoutMs: DOWNLOAD_MS });
  try {
    await download();
  } catch (cause) {
    if (process.getuid?.() !== 0) {
      throw new Error(`${(cause as Error).message} (if the package lists are missing or old, run "apt-get update" as root)`, { cause });
    }
    report('renewing the package lists');
    await run('apt-get', ['update'], { env, timeoutMs: DOWNLOAD_MS });
    await download();
  }
}
