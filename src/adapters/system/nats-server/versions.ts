/** Which versions of NATS Server will do, and how to ask a binary for its own. */
import { run } from './command.ts';
import { UnsupportedNatsServerError } from './errors.ts';
import type { Requirement } from './source.ts';

/** Debian 12's version. Older ones lack what our guarantees need. */
export const MINIMUM_VERSION = '2.9.10';

/** The numbers of `2.9.10`, `v2.15.0-preview.1`; undefined when the text holds no version. */
function numbers(version: string): readonly [number, number, number] | undefined {
  const match = /(\d+)\.(\d+)\.(\d+)/.exec(version);
  return match ? [Number(match[1]), Number(match[2]), Number(match[3])] : undefined;
}

const NONE = [0, 0, 0] as const;

/** Negative when `a` is older than `b`, 0 when equal. Text without a version counts as oldest. */
export function compareVersions(a: string, b: string): number {
  const left = numbers(a) ?? NONE;
  const right = numbers(b) ?? NONE;
  return left[0] - right[0] || left[1] - right[1] || left[2] - right[2];
}

/** What is wrong with a server of this version, for a person; undefined when it will do. */
export function serverVersionProblem(
  version: string,
  { atLeast, because }: Requirement = { atLeast: MINIMUM_VERSION },
): string | undefined {
  if (numbers(version) === undefined) return `${JSON.stringify(version.slice(0, 40))} is not a version of NATS Server`;
  if (compareVersions(version, atLeast) < 0) {
    return `version ${version} is too old, ${atLeast} or newer is needed${because === undefined ? '' : `, because ${because}`}`;
  }
  return undefined;
}

/**
 * For a server that somebody else started (`NATS_URL`).
 *
 * @throws {UnsupportedNatsServerError} Upgrade that server, or unset NATS_URL and let Almanac start its own.
 */
export function assertSupportedVersion(version: string, url: string): void {
  const problem = serverVersionProblem(version);
  if (problem !== undefined) throw new UnsupportedNatsServerError(url, version, problem);
}

/** What the binary answers to `--version`, e.g. `2.15.0`. Rejects with a reason for a person when it is no NATS Server. */
export async function binaryVersion(path: string): Promise<string> {
  const { stdout } = await run(path, ['--version'], { timeoutMs: 10_000 });
  const version = /nats-server: v(\S+)/.exec(stdout)?.[1];
  if (version === undefined) throw new Error(`answers ${JSON.stringify(stdout.trim().slice(0, 60))} to --version, not "nats-server: v…"`);
  return version;
}
