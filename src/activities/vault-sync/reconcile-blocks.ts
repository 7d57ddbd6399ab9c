/** Vault to graph, file by file in a fixed order; every run looks at everything (contracts §11.3, vault_sync). */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { VaultSyncActivities } from '../../../machines/vault-sync.machine.ts';
import type { ActivityLog } from '../../domain/activity.ts';
import { FindingCollector } from '../../knowledge/findings.ts';
import type { Graph, StoredBlock, VaultListing } from '../../knowledge/ports.ts';
import { type ParsedFile, parseFile } from './parsed-file.ts';
import { DEFAULT_PREFIX, type VaultSyncPorts } from './ports.ts';
import { readAhead } from './read-ahead.ts';
import { checkpointKey, isAfter, SyncCheckpoint, type SyncState } from './sync-checkpoint.ts';
import { SyncTally } from './sync-tally.ts';

/** Of a batch. SQLite works on our thread: within these limits it holds up heartbeats for a few milliseconds only. */
const MAX_FILES = 32;
const MAX_BLOCKS = 400;
/** Files looked at without finding a change before that is written down: what a crash may cost. */
const FILES_PER_IDLE_CHECKPOINT = 400;

/**
 * Started again for the same run, by another process or as another attempt, it continues behind the last checkpoint, and the counters are
 * those of an undisturbed run. Files that were added meanwhile before that place are the next run's.
 *
 * @throws {CheckpointConflictError} Another process has the run now.
 * @throws {VaultNotFoundError}
 */
export function reconcileBlocks({ vault, graph, clock, prefix = DEFAULT_PREFIX }: VaultSyncPorts): VaultSyncActivities['reconcileBlocks'] {
  return async ({ tiers }, context) => {
    const { signal, log } = context;
    const listing = await vault.list(tiers, signal);
    const { checkpoint, state } = await SyncCheckpoint.claim(graph, checkpointKey(context), freshState(listing, log), clock());
    const tally = new SyncTally(state, log);
    const rest = listing.files.filter((file) => isAfter(file, state.last));
    const total = listing.files.length;
    let done = total - rest.length;
    let written = done; // as far as the checkpoint knows
    context.progress({ done, total, note: 'files' });

    async function finishBatch(batch: readonly ParsedFile[]): Promise<void> {
      const ids = batch.flatMap(({ blocks }) => blocks.map((block) => block.id));
      const changed = tally.add(batch, await knownBlocks(graph, ids), { at: clock(), locate: vault.locate });
      done += batch.length;
      if (changed.length > 0 || done - written >= FILES_PER_IDLE_CHECKPOINT || done === total) {
        await checkpoint.write(changed, tally.state(), clock());
        written = done;
      }
      context.progress({ done, total, note: 'files' });
      await nextTurn();
    }

    let batch: ParsedFile[] = [];
    let blocksInBatch = 0;
    for await (const read of readAhead(vault, rest, signal)) {
      const parsed = await parseFile(read, prefix);
      batch.push(parsed);
      blocksInBatch += parsed.blocks.length;
      if (batch.length < MAX_FILES && blocksInBatch < MAX_BLOCKS) continue;
      await finishBatch(batch);
      batch = [];
      blocksInBatch = 0;
    }
    if (batch.length > 0) await finishBatch(batch);
    const { counters, problems } = tally.state();
    return { counters, problems };
  };
}

/** In pieces, because one huge file makes a huge batch: the file is the unit of the checkpoint. */
async function knownBlocks(graph: Graph, ids: readonly string[]): Promise<ReadonlyMap<string, StoredBlock>> {
  if (ids.length <= 2 * MAX_BLOCKS) return graph.readBlocks(ids);
  const known = new Map<string, StoredBlock>();
  for (let from = 0; from < ids.length; from += MAX_BLOCKS) {
    for (const [id, block] of await graph.readBlocks(ids.slice(from, from + MAX_BLOCKS))) known.set(id, block);
    await nextTurn();
  }
  return known;
}

/** What could not be listed is counted once, by the first holder. */
function freshState({ unlisted, linkedFolders }: VaultListing, log: ActivityLog): SyncState {
  const problems = new FindingCollector();
  for (const finding of [...unlisted, ...linkedFolders]) {
    problems.add(finding);
    log.warn({ file: finding.file, error: finding.detail }, `vault_sync.reconcile_blocks: ${finding.kind}`);
  }
  const nothing = { files_processed: 0, blocks_processed: 0, blocks_unchanged: 0, blocks_updated: 0, blocks_new: 0 };
  return { last: null, counters: { ...nothing, errors: unlisted.length }, problems: problems.report() };
}
