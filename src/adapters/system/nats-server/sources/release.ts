import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { addToCache } from '../cache.ts';
import { run } from '../command.ts';
import type { Search, Source } from '../source.ts';

/** A machine without internet must get to the next source in seconds, so only the wait for an answer is short. */
const ANSWER_MS = 5_000;
const DOWNLOAD_MS = 180_000;

export type Release = { version: string; baseUrl: string; sha256: Record<string, string>; answerMs?: number };

/** The checksums are those of the official container images, which are built from the same archives. */
const OFFICIAL: Release = {
  version: '2.15.0',
  baseUrl: 'https://github.com/nats-io/nats-server/releases/download',
  sha256: {
    amd64: '5d2c51caca950333aba84911df7d377f826f3a59ec36061c6539105084f65c92',
    arm64: 'cdc208f5a3f42963a52b6ab06ef65626bb870315dc936e26ba571780c6351112',
    arm7: 'ec5f4689d017e07cfa18442e10da051c0f3f9dd2e7f4dc7cdb55a11f1303c952',
    arm6: 'e29421c251dda2003d16b8d503124a0d690d05f4e018923be7e5e64b446e42c2',
    386: 'f572eccdbb35ab5c7fef7703a5b6ca49e55d039e441920ba5478972ecdcf7a47',
    s390x: 'ac50bf4adc8fa6db575ed9293417b6fbec746e71cc9d360aea5cd447e4207bfc',
    ppc64le: 'a402bf73f91f674735cc85aa0e7d06d5dfa3044b98cda6ea9937cfee4e05a266',
  },
};

/** Go's name for the processor, as the archives use it. */
function architecture(): string {
  if (process.arch === 'arm') return (process.config.variables as { arm_version?: string }).arm_version === '6' ? 'arm6' : 'arm7';
  return { x64: 'amd64', ia32: '386', ppc64: 'ppc64le' }[process.arch as string] ?? process.arch;
}

/** The project's own archive for Linux, of one pinned version, unpacked only when its checksum is the one written here. */
export const releaseSource = (release: Release = OFFICIAL): Source => ({
  name: 'release',
  installs: true,
  nothing: `version ${release.version} is pinned for Linux on ${Object.keys(release.sha256).join(', ')} only, this is ${process.platform} on ${process.arch}`,
  async look(search) {
    const sha256 = process.platform === 'linux' ? release.sha256[architecture()] : undefined;
    if (sha256 === undefined) return [];
    const folder = `nats-server-v${release.version}-linux-${architecture()}`;
    const url = `${release.baseUrl}/v${release.version}/${folder}.tar.gz`;
    const archive = await download(url, release.answerMs ?? ANSWER_MS, search);
    const found = createHash('sha256').update(archive).digest('hex');
    if (found !== sha256) throw new Error(`the archive's SHA-256 is ${found}, not the pinned ${sha256}; it was not unpacked`);
    const binary = await addToCache(search.cacheDir, release.version, async (work) => {
      await writeFile(join(work, 'archive.tar.gz'), archive);
      await run('tar', ['-xzf', 'archive.tar.gz', `${folder}/nats-server`], { cwd: work, env: search.env, timeoutMs: 60_000 });
      return join(work, folder, 'nats-server');
    });
    return [binary];
  },
});

async function download(url: string, answerMs: number, { report }: Search): Promise<Buffer> {
  const patience = new AbortController();
  const impatient = setTimeout(() => patience.abort(new Error(`no answer within ${answerMs / 1000} s`)), answerMs);
  try {
    report(`looking for NATS Server at ${url}`);
    const response = await fetch(url, { signal: AbortSignal.any([patience.signal, AbortSignal.timeout(DOWNLOAD_MS)]) });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    clearTimeout(impatient);
    report(`downloading it (${(Number(response.headers.get('content-length') ?? 0) / 1_000_000).toFixed(1)} MB)`);
    return Buffer.from(await response.arrayBuffer());
  } catch (cause) {
    const inner = cause instanceof Error && cause.cause instanceof Error ? `: ${cause.cause.message}` : '';
    throw new Error(`${url}: ${cause instanceof Error ? cause.message : String(cause)}${inner}`, { cause });
  } finally {
    clearTimeout(impatient);
  }
}
