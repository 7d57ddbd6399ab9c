/** A second walk through the vault: references need to know all pages and ids before the first can be judged. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { VaultSyncActivities } from '../../../machines/vault-sync.machine.ts';
import { pageNames } from '../../knowledge/page-names.ts';
import { referenceChecks } from '../../knowledge/reference-checks.ts';
import { DEFAULT_PREFIX, type VaultSyncPorts } from './ports.ts';
import { readAhead } from './read-ahead.ts';

const FILES_PER_TURN = 64;

/** Reads only, so starting again means starting over. Files that cannot be read were counted by the reconciliation. */
export function validateReferences({ vault, prefix = DEFAULT_PREFIX }: VaultSyncPorts): VaultSyncActivities['validateReferences'] {
  return async ({ tiers }, { signal, progress }) => {
    const { files } = await vault.list(tiers, signal);
    const checks = referenceChecks(prefix, pageNames(await vault.names(signal)));
    let done = 0;
    for await (const read of readAhead(vault, files, signal)) {
      if ('text' in read) checks.check(read.file.path, read.text);
      if (++done % FILES_PER_TURN !== 0) continue;
      progress({ done, total: files.length, note: 'files checked' });
      await nextTurn();
    }
    progress({ done, total: files.length, note: 'files checked' });
    return checks.summary();
  };
}
