import { type FindOptions, findNatsServer, type NatsServerBinary } from '../../src/adapters/system/nats-server/find.ts';
import { cacheSource } from '../../src/adapters/system/nats-server/sources/cache.ts';
import { fromDebianPackage } from '../../src/adapters/system/nats-server/sources/debian-package.ts';
import { goSource } from '../../src/adapters/system/nats-server/sources/go-install.ts';
import { binaryVersion, MINIMUM_VERSION } from '../../src/adapters/system/nats-server/versions.ts';

/** `newest` is what users get by default, `debian` the oldest we support; anything else is the path of a binary. */
export type WhichServer = 'newest' | 'debian' | (string & {});

/** Set ALMANAC_TEST_NATS to run the whole suite on another server. */
export const defaultServer = (): WhichServer => process.env.ALMANAC_TEST_NATS || 'newest';

/** Older than this is not "newest", wherever it comes from. */
const NEWEST = { atLeast: '2.15.0' };
/** Debian's own where there is apt; elsewhere the same version, built. */
const DEBIAN_SOURCES = [cacheSource(['debian', MINIMUM_VERSION]), fromDebianPackage, goSource(MINIMUM_VERSION)];

/** Found, or installed into the cache (once, whoever asks first), or an error that lists what was tried. Never a skip. */
export async function testBinary(which: WhichServer = defaultServer(), options: Partial<FindOptions> = {}): Promise<NatsServerBinary> {
  const { NATS_SERVER: _, ...env } = process.env; // the developer's own choice for running Almanac, not for testing it
  if (which === 'newest') return findNatsServer({ env, requirement: NEWEST, ...options });
  if (which === 'debian') return findNatsServer({ env, sources: DEBIAN_SOURCES, ...options });
  return { path: which, version: await binaryVersion(which), source: 'NATS_SERVER' };
}
