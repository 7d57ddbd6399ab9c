/**
 * The newest server that has written to a store. Servers read what older ones wrote, not the other way round: 2.9 takes the delete
 * markers that 2.10 and later put into a work queue for messages, and from then on counts wrong.
 */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Requirement } from './source.ts';
import { compareVersions, MINIMUM_VERSION } from './versions.ts';

const fileIn = (folder: string): string => join(folder, 'store-version');
const read = (folder: string): Promise<string> =>
  readFile(fileIn(folder), 'utf8').then(
    (text) => text.trim(),
    () => '',
  );

/** What a server must be to open this store: at least of the same minor version as the newest before it. */
export async function storeRequirement(folder: string): Promise<Requirement> {
  const newest = await read(folder);
  const sameMinor = newest.replace(/\.\d+(-.*)?$/, '.0');
  if (compareVersions(sameMinor, MINIMUM_VERSION) <= 0) return { atLeast: MINIMUM_VERSION };
  return { atLeast: sameMinor, because: `version ${newest} has written to ${folder}, and an older one would misread it` };
}

export async function recordStoreVersion(folder: string, version: string): Promise<void> {
  if (compareVersions(version, await read(folder)) <= 0) return;
  await writeFile(`${fileIn(folder)}.next`, `${version}\n`);
  await rename(`${fileIn(folder)}.next`, fileIn(folder));
}
