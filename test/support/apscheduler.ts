/** Debian's APScheduler, with the libraries it needs: found in our cache, or downloaded and unpacked there, which needs no root. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { defaultCacheDir } from '../../src/adapters/system/nats-server/cache.ts';
import { run } from '../../src/adapters/system/nats-server/command.ts';
import { withKernelLock } from '../../src/adapters/system/nats-server/kernel-lock.ts';
import { downloadPackages } from '../../src/adapters/system/nats-server/sources/debian-package.ts';

const PROGRAM = fileURLToPath(new URL('../differential/fire-times.py', import.meta.url));
/** The one that Debian's packages are made for, where a newer one comes first in PATH. */
const PYTHON = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3';
/** Time zone data, too, so that both sides have about the same. */
const PACKAGES = [
  ...['python3-apscheduler', 'python3-tz', 'python3-tzlocal', 'python3-pytz-deprecation-shim', 'python3-dateutil', 'python3-six'],
  ...['python3-pkg-resources', 'tzdata'],
];

export interface FireTimesTask {
  readonly zone: string;
  readonly patterns: readonly string[];
  /** From (exclusive) and until (inclusive), in milliseconds since the epoch. */
  readonly windows: readonly (readonly [from: number, until: number])[];
}

/** For each task in turn, what each of its patterns gives, in milliseconds since the epoch. One process of Python does them all. */
export async function* fireTimesOf(tasks: readonly FireTimesTask[]): AsyncGenerator<readonly number[][]> {
  const child = spawn(PYTHON, [PROGRAM], { env: await apschedulerEnvironment(), stdio: ['pipe', 'pipe', 'inherit'] });
  const endWithUs = () => child.kill('SIGKILL');
  process.once('exit', endWithUs);
  try {
    const failed = new Promise<never>((_, reject) => child.once('error', reject));
    child.stdin.on('error', () => {}); // it ended early: the answers that are missing tell
    child.stdin.end(tasks.map((task) => `${JSON.stringify(task)}\n`).join(''));
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    for (const { zone } of tasks) {
      const line = await Promise.race([lines.next(), failed]);
      if (line.done) throw new Error(`APScheduler ended before it had answered for ${zone}; what it says is on stderr`);
      yield JSON.parse(line.value) as number[][];
    }
  } finally {
    endWithUs();
    process.off('exit', endWithUs);
  }
}

/** For a process of Python that imports it. */
export async function apschedulerEnvironment(): Promise<NodeJS.ProcessEnv> {
  const root = await apschedulerFolder();
  return { ...process.env, PYTHONPATH: join(root, 'usr/lib/python3/dist-packages'), PYTZ_TZDATADIR: join(root, 'usr/share/zoneinfo') };
}

async function apschedulerFolder(): Promise<string> {
  const cache = join(defaultCacheDir(process.env), 'apscheduler');
  const folder = join(cache, 'debian');
  await mkdir(cache, { recursive: true });
  const install = async () => {
    if (await stat(folder).catch(() => undefined)) return;
    const work = await mkdtemp(join(cache, '.incoming-'));
    try {
      await downloadPackages(work, PACKAGES, { env: process.env, report: (text) => process.stdout.write(`APScheduler: ${text}\n`) });
      for (const name of await readdir(work)) {
        if (name.endsWith('.deb')) await run('dpkg', ['-x', name, 'unpacked'], { cwd: work, timeoutMs: 60_000 });
      }
      await rename(join(work, 'unpacked'), folder);
    } catch (cause) {
      throw new Error(`APScheduler is needed to compare with, and Debian's package (python3-apscheduler) cannot be had: ${cause}`, {
        cause,
      });
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  };
  await withKernelLock(join(cache, 'install.lock'), install, () => {});
  return folder;
}
