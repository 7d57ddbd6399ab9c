/** A look at the vault before anything is changed. */
import type { VaultSyncActivities } from '../../../machines/vault-sync.machine.ts';
import type { VaultSyncPorts } from './ports.ts';

/** @throws {VaultNotFoundError} Terminal: a person has to correct the settings or the mount. */
export function scanVault({ vault }: VaultSyncPorts): VaultSyncActivities['scanVault'] {
  return async ({ tiers }, { signal, progress }) => {
    const { files } = await vault.list(tiers, signal);
    progress({ done: files.length, total: files.length, note: 'files found' });
    return { files: files.length };
  };
}
