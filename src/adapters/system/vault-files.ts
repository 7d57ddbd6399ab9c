/** The vault as a folder of this machine. Reads only. */
import { constants } from 'node:fs';
import { type FileHandle, open, realpath, stat } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { VaultFileError, type VaultFileProblem, VaultNotFoundError } from '../../knowledge/errors.ts';
import type { Finding } from '../../knowledge/findings.ts';
import type { Tier, VaultFile, VaultFiles } from '../../knowledge/ports.ts';
import { decodeVaultText } from '../../knowledge/vault-text.ts';
import { errorCode, isInside, visibleFiles, walkTier } from './vault-walk.ts';

export interface VaultFolders {
  /** Root of the vault. */
  readonly root: string;
  /** Folders of the tiers below it. @default conversations, summaries, concepts (contracts §3) */
  readonly tiers?: Readonly<Record<Tier, string>>;
}

const DEFAULT_TIERS = { 1: 'conversations', 2: 'summaries', 3: 'concepts' } as const;
/** Far beyond any page that people write; a file beyond it is something else that was put into the vault. In bytes. */
export const MAX_FILE_BYTES = 32 * 1024 * 1024;
// A pipe must not make us wait for a writer, and a link is followed only after a look at where it leads.
const READ_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW;

export function vaultFiles({ root, tiers = DEFAULT_TIERS }: VaultFolders): VaultFiles {
  const vaultRoot = resolve(root);
  const locate = ({ path }: Pick<VaultFile, 'path'>): string => join(vaultRoot, path);
  return {
    locate,
    async list(wanted, signal) {
      const realRoot = await realFolder(vaultRoot, 'VAULT_PATH');
      const files: VaultFile[] = [];
      const unlisted: Finding[] = [];
      const linkedFolders: Finding[] = [];
      for (const tier of [...wanted].sort()) {
        const folder = relative(vaultRoot, resolve(vaultRoot, tiers[tier])); // absolute ones are allowed, as in Python
        if (tier === 1) await realFolder(join(vaultRoot, folder), 'VAULT_PATH (or VAULT_TIER1_PATH)');
        const walk = await walkTier({ vaultRoot, realRoot, folder }, signal);
        files.push(...walk.paths.map((path) => ({ tier, path })));
        unlisted.push(...walk.unlisted);
        linkedFolders.push(...walk.linkedFolders);
      }
      return { files, unlisted, linkedFolders };
    },
    async names(signal) {
      await realFolder(vaultRoot, 'VAULT_PATH');
      return visibleFiles(vaultRoot, signal);
    },
    async read(file) {
      const path = locate(file);
      const handle = await openInside(path, vaultRoot);
      try {
        return decodeVaultText(await readWhole(handle));
      } catch (error) {
        throw asVaultFileError(error);
      } finally {
        await handle.close();
      }
    },
  };
}

/** Where a folder really is. @throws {VaultNotFoundError} It is not there, or not a folder. */
async function realFolder(path: string, setting: string): Promise<string> {
  try {
    const isFolder = (await stat(path)).isDirectory();
    if (!isFolder) throw new VaultNotFoundError(path, setting, 'is not a folder');
    return await realpath(path);
  } catch (cause) {
    if (cause instanceof VaultNotFoundError) throw cause;
    const problem = errorCode(cause) === 'ENOENT' ? 'does not exist' : `cannot be opened (${errorCode(cause)})`;
    throw new VaultNotFoundError(path, setting, problem, { cause });
  }
}

async function openInside(path: string, vaultRoot: string): Promise<FileHandle> {
  try {
    return await open(path, READ_FLAGS).catch(async (error) => {
      if (errorCode(error) !== 'ELOOP') throw error;
      return await open(await linkTarget(path, vaultRoot), READ_FLAGS);
    });
  } catch (error) {
    throw asVaultFileError(error);
  }
}

async function linkTarget(path: string, vaultRoot: string): Promise<string> {
  const target = await realpath(path);
  if (!isInside(target, await realpath(vaultRoot))) throw new VaultFileError('outside-vault', `is a link that leaves the vault: ${target}`);
  return target;
}

async function readWhole(handle: FileHandle): Promise<Uint8Array> {
  const stats = await handle.stat();
  if (!stats.isFile()) throw new VaultFileError('not-a-file', stats.isDirectory() ? 'is a folder' : 'is not a regular file');
  if (stats.size > MAX_FILE_BYTES) throw new VaultFileError('too-large', `has ${stats.size} bytes, more than ${MAX_FILE_BYTES}`);
  const buffer = Buffer.allocUnsafe(stats.size);
  let length = 0;
  while (length < buffer.length) {
    const { bytesRead } = await handle.read(buffer, length, buffer.length - length, null);
    if (bytesRead === 0) break; // it became shorter
    length += bytesRead;
  }
  return buffer.subarray(0, length);
}

function asVaultFileError(error: unknown): VaultFileError {
  if (error instanceof VaultFileError) return error;
  const code = errorCode(error);
  const problem: VaultFileProblem = code === 'ENOENT' || code === 'ENOTDIR' ? 'vanished' : 'unreadable';
  return new VaultFileError(problem, problem === 'vanished' ? 'is gone, or a link to nothing' : `cannot be read (${code})`, {
    cause: error,
  });
}
