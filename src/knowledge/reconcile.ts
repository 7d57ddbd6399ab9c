/** The rule of the periodic sync: vault text wins, always (contracts §5.2, §11.3). */
import type { VaultBlock } from './blocks.ts';
import type { StoredBlock } from './ports.ts';

export type BlockOutcome = 'new' | 'updated' | 'unchanged';

/**
 * Compares hashes only. A vault version below the stored one is no reason to refuse, and another version with the same text is no
 * reason to write. A node without version is written in any case, because the dirty-block consumer gets stuck on it (contracts §2.5).
 */
export function compareBlock(
  { contentHash }: Pick<VaultBlock, 'contentHash'>,
  stored: Pick<StoredBlock, 'hash' | 'version'> | undefined,
): BlockOutcome {
  if (stored === undefined) return 'new';
  return stored.hash === contentHash && stored.version !== null ? 'unchanged' : 'updated';
}
