import { cachedBinaries } from '../cache.ts';
import type { Source } from '../source.ts';
import { binaryVersion, compareVersions } from '../versions.ts';

/** What earlier searches installed, newest first; of these labels only, when they are given. */
export const cacheSource = (labels?: readonly string[]): Source => ({
  name: 'cache',
  installs: false,
  nothing: 'holds none',
  async look({ cacheDir }) {
    const paths = await cachedBinaries(cacheDir, labels);
    const copies = await Promise.all(paths.map(async (path) => ({ path, version: await binaryVersion(path).catch(() => '') })));
    return copies.sort((a, b) => compareVersions(b.version, a.version)).map(({ path }) => path);
  },
});
