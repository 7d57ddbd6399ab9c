/** A file of the vault as its blocks, or as the reason why it has none. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { parseBlocks, type VaultBlock } from '../../knowledge/blocks.ts';
import { VaultFileError } from '../../knowledge/errors.ts';
import type { MarkerPrefix } from '../../knowledge/markers.ts';
import type { VaultFile } from '../../knowledge/ports.ts';
import type { ReadFile } from './read-ahead.ts';

export interface ParsedFile {
  readonly file: VaultFile;
  readonly blocks: readonly VaultBlock[];
  readonly error?: VaultFileError;
}

/** One huge file must not hold up heartbeats. */
const BLOCKS_PER_TURN = 400;

export async function parseFile(read: ReadFile, prefix: MarkerPrefix): Promise<ParsedFile> {
  if ('error' in read) return { file: read.file, blocks: [], error: read.error };
  const blocks: VaultBlock[] = [];
  try {
    for (const block of parseBlocks(read.text, prefix)) {
      blocks.push(block);
      if (blocks.length % BLOCKS_PER_TURN === 0) await nextTurn();
    }
    return { file: read.file, blocks };
  } catch (error) {
    if (error instanceof VaultFileError) return { file: read.file, blocks: [], error };
    throw error;
  }
}
