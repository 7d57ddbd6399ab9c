/** Finds a NATS Server binary, or gets one. `NATS_URL`, which makes all of this unnecessary, is the caller's to decide. */
import { defaultCacheDir, withInstallLock } from './cache.ts';
import { NatsServerNotFoundError, UnusableNatsServerError } from './errors.ts';
import type { Requirement, Search, Source, SourceName } from './source.ts';
import { cacheSource } from './sources/cache.ts';
import { fromDebianPackage } from './sources/debian-package.ts';
import { fromEnvironment } from './sources/environment.ts';
import { goSource } from './sources/go-install.ts';
import { pathSource } from './sources/path.ts';
import { releaseSource } from './sources/release.ts';
import { binaryVersion, MINIMUM_VERSION, serverVersionProblem } from './versions.ts';

/** What a person chose, what the machine has, what we got before; then the best new one, the slow one, the old one. */
const SOURCES: readonly Source[] = [fromEnvironment, pathSource(), cacheSource(), releaseSource(), goSource(), fromDebianPackage];

export type NatsServerBinary = { path: string; version: string; source: SourceName };
type Attempt = { source: SourceName; problem: string };
export type FindOptions = {
  env: NodeJS.ProcessEnv;
  /** @default `$XDG_CACHE_HOME/almanac` or `~/.cache/almanac` */
  cacheDir?: string | undefined;
  /** Told before anything that may take seconds. */
  report?: ((text: string) => void) | undefined;
  /** @default MINIMUM_VERSION or newer */
  requirement?: Requirement;
  sources?: readonly Source[];
};

/**
 * Tries the sources in order and returns the first binary that answers `--version` with a version we support. Any number of
 * processes may search at once: one installs, the others wait for it and take what it installed.
 *
 * @throws {UnusableNatsServerError} NATS_SERVER names something else, or too old a version. Correct it or unset it.
 * @throws {NatsServerNotFoundError} No source had one. The message lists each with its reason, and what to do.
 */
export async function findNatsServer({
  env,
  cacheDir,
  report = () => {},
  requirement = { atLeast: MINIMUM_VERSION },
  sources = SOURCES,
}: FindOptions): Promise<NatsServerBinary> {
  const search: Search = { env, cacheDir: cacheDir || defaultCacheDir(env), report };
  const attempts: Attempt[] = [];
  const tryAll = async (some: readonly Source[]) => {
    for (const source of some) {
      const binary = await trySource(source, search, requirement, attempts);
      if (binary !== undefined) return binary;
    }
    return undefined;
  };

  const present = await tryAll(sources.filter(({ installs }) => !installs));
  if (present !== undefined) return present;
  const installers = sources.filter(({ installs }) => installs);
  const installed = await withInstallLock(
    search.cacheDir,
    // The cache is looked at once more, because the process we waited for may have filled it.
    () => tryAll([...sources.filter(({ name }) => name === 'cache'), ...installers]),
    () => report('waiting for another process that is getting NATS Server'),
  );
  if (installed === undefined) throw new NatsServerNotFoundError(attempts, requirement);
  return installed;
}

async function trySource(
  source: Source,
  search: Search,
  requirement: Requirement,
  attempts: Attempt[],
): Promise<NatsServerBinary | undefined> {
  const note = (problem: string) => {
    if (!attempts.some((earlier) => earlier.source === source.name && earlier.problem === problem))
      attempts.push({ source: source.name, problem });
  };
  const paths = await source.look(search).catch((cause: Error) => void note(cause.message));
  if (paths?.length === 0) note(source.nothing);
  for (const path of paths ?? []) {
    const version = await binaryVersion(path).catch((cause: Error) => cause);
    const problem = version instanceof Error ? version.message : serverVersionProblem(version, requirement);
    if (problem === undefined) return { path, version: version as string, source: source.name };
    if (source.name === 'NATS_SERVER') throw new UnusableNatsServerError(path, problem);
    note(`${path}: ${problem}`);
  }
  return undefined;
}
