import type { VaultSyncActivities } from '../../../machines/vault-sync.machine.ts';
import type { VaultSyncPorts } from './ports.ts';
import { reconcileBlocks } from './reconcile-blocks.ts';
import { scanVault } from './scan-vault.ts';
import { validateReferences } from './validate-references.ts';
import { writeReport } from './write-report.ts';

export type { VaultSyncPorts } from './ports.ts';

/** The activities of `vault-sync`, over the ports they are given. */
export const vaultSyncActivities = (ports: VaultSyncPorts): VaultSyncActivities => ({
  scanVault: scanVault(ports),
  reconcileBlocks: reconcileBlocks(ports),
  validateReferences: validateReferences(ports),
  writeReport: writeReport(ports),
});
