/** The last step: what the operator reads, then nothing of the run is left behind in the graph. */
import type { VaultSyncActivities } from '../../../machines/vault-sync.machine.ts';
import { instant } from '../../domain/ids.ts';
import type { VaultSyncPorts } from './ports.ts';
import { runPrefix } from './sync-checkpoint.ts';

/** Of runs that were cancelled or failed and so never came here. By then nobody continues them. */
const KEEP_ABANDONED_MS = 30 * 24 * 60 * 60 * 1000;

export function writeReport({ graph, clock }: VaultSyncPorts): VaultSyncActivities['writeReport'] {
  return async (report, { jobType, runId, log }) => {
    await graph.clearCheckpoints(runPrefix({ jobType, runId }), instant(clock() - KEEP_ABANDONED_MS));
    const facts = { service: 'aclarai-scheduler', 'filename.function_name': 'vault_sync.run_sync', job_id: runId, ...report };
    log.info(facts, 'vault_sync.run_sync: vault synchronization completed'); // the names of contracts §14
    return null;
  };
}
