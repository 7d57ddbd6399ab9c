/** Walking the vault's folders in an order that depends on names alone. */
import type { Dirent } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import type { Finding } from '../../knowledge/findings.ts';

interface TierFolder {
  readonly vaultRoot: string;
  /** The same without links. */
  readonly realRoot: string;
  /** Below the root. */
  readonly folder: string;
}

interface TierWalk {
  /** Below the vault's root, sorted by code units. */
  readonly paths: readonly string[];
  readonly unlisted: Finding[];
  readonly linkedFolders: Finding[];
}

/** Folders that are links are not entered, so the walk ends whatever they lead to. A missing tier folder is an empty one. */
export async function walkTier({ vaultRoot, realRoot, folder }: TierFolder, signal: AbortSignal): Promise<TierWalk> {
  const walk = { paths: [] as string[], unlisted: [] as Finding[], linkedFolders: [] as Finding[] };
  const pending = [folder === '' ? '.' : folder.split(sep).join('/')];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    signal.throwIfAborted();
    let entries: Dirent[];
    try {
      entries = await readdir(join(vaultRoot, path), { withFileTypes: true });
    } catch (error) {
      const code = errorCode(error);
      if (code !== 'ENOENT') walk.unlisted.push({ kind: 'unreadable', file: path, detail: `folder cannot be listed (${code})` });
      continue;
    }
    for (const entry of entries) {
      const entryPath = path === '.' ? entry.name : `${path}/${entry.name}`;
      // Also what cannot be a file: reading it tells, and the Python services count it too.
      if (entry.name.endsWith('.md')) walk.paths.push(entryPath);
      if (entry.isDirectory()) pending.push(entryPath);
      else if (entry.isSymbolicLink() && !entry.name.endsWith('.md')) await noteLink(join(vaultRoot, entryPath), entryPath);
    }
  }
  walk.paths.sort(byCodeUnits);
  return walk;

  async function noteLink(path: string, file: string): Promise<void> {
    const target = await realFolderOf(path);
    if (target === undefined) return; // a link to nothing, or to a file that is no Markdown
    if (isInside(target, realRoot))
      walk.linkedFolders.push({ kind: 'linked-folder', file, detail: 'is a link to a folder and is not followed' });
    else walk.unlisted.push({ kind: 'outside-vault', file, detail: `is a link that leaves the vault: ${target}` });
  }
}

/** Every file outside of hidden folders (`.obsidian`, `.trash`, `.git`). Folders that cannot be listed have no names to offer. */
export async function visibleFiles(vaultRoot: string, signal: AbortSignal): Promise<string[]> {
  const paths: string[] = [];
  const pending = ['.'];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    signal.throwIfAborted();
    const entries = await readdir(join(vaultRoot, path), { withFileTypes: true }).catch((): Dirent[] => []);
    for (const entry of entries) {
      if (entry.name.startsWith('.')) continue;
      const entryPath = path === '.' ? entry.name : `${path}/${entry.name}`;
      if (entry.isDirectory()) pending.push(entryPath);
      else paths.push(entryPath);
    }
  }
  return paths;
}

export const isInside = (path: string, folder: string): boolean =>
  path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);

/** `ENOENT` and its like. */
export const errorCode = (error: unknown): string => (error as NodeJS.ErrnoException | undefined)?.code ?? String(error);

async function realFolderOf(link: string): Promise<string | undefined> {
  try {
    return (await stat(link)).isDirectory() ? await realpath(link) : undefined;
  } catch {
    return undefined;
  }
}

const byCodeUnits = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0);
