import { join } from 'node:path';
import { addToCache } from '../cache.ts';
import { run } from '../command.ts';
import type { Source } from '../source.ts';

const PINNED = '2.15.2';
const BUILD_MS = 15 * 60_000;

/** Builds a pinned version from source; Go checks the source against its public checksum database. Needs Go, takes half a minute or more. */
export const goSource = (version: string = PINNED): Source => ({
  name: 'go install',
  installs: true,
  nothing: 'supported on Linux and macOS only',
  async look({ env, cacheDir, report }) {
    if (process.platform !== 'linux' && process.platform !== 'darwin') return [];
    await run('go', ['version'], { env, timeoutMs: 10_000 });
    report(`building NATS Server ${version} with Go; this takes half a minute or more, once`);
    const binary = await addToCache(cacheDir, version, async (work) => {
      // Without GOTOOLCHAIN, distributions' Go often refuses to fetch the newer toolchain that the server's module asks for.
      const building = { ...env, GOBIN: work, CGO_ENABLED: '0', GOTOOLCHAIN: env.GOTOOLCHAIN || 'auto' };
      await run('go', ['install', `github.com/nats-io/nats-server/v2@v${version}`], { cwd: work, env: building, timeoutMs: BUILD_MS });
      return join(work, 'nats-server');
    });
    return [binary];
  },
});
