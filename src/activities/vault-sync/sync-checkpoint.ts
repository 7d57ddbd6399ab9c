/**
 * How far a sync has come, kept in the graph beside what it wrote, in the same transaction: after a crash the next holder of the run
 * continues with the counters intact, and a holder that lost its lease without noticing can neither rewind nor count twice.
 */
import { z } from 'zod';
import type { VaultSyncCounters } from '../../../machines/vault-sync.machine.ts';
import type { Instant } from '../../domain/ids.ts';
import type { FindingReport } from '../../knowledge/findings.ts';
import type { BlockRecord, Graph, VaultFile } from '../../knowledge/ports.ts';

export interface SyncState {
  /** Everything up to this file is done; null: nothing yet. */
  readonly last: VaultFile | null;
  readonly counters: VaultSyncCounters;
  readonly problems: FindingReport;
}

const count = z.int().nonnegative();
/** It comes from a file that others may have touched, so it is parsed like anything from outside. */
const StoredState = z.object({
  last: z.object({ tier: z.literal([1, 2, 3]), path: z.string() }).nullable(),
  counters: z.object({
    files_processed: count,
    blocks_processed: count,
    blocks_unchanged: count,
    blocks_updated: count,
    blocks_new: count,
    errors: count,
  }),
  problems: z.custom<FindingReport>(
    (value) => z.object({ counts: z.record(z.string(), count), listed: z.array(z.unknown()) }).safeParse(value).success,
  ),
});

export class SyncCheckpoint {
  readonly #graph: Graph;
  readonly #key: string;
  #version: number;

  private constructor(graph: Graph, key: string, version: number) {
    this.#graph = graph;
    this.#key = key;
    this.#version = version;
  }

  /**
   * Takes the work over. This already moves the checkpoint, before a single file is read: whoever held it until now is refused from
   * here on, also if the work is finished and the checkpoint gone by the time it wakes up.
   * @throws {CheckpointConflictError} Someone else took it at the same moment.
   */
  static async claim(graph: Graph, key: string, fresh: SyncState, at: Instant): Promise<{ checkpoint: SyncCheckpoint; state: SyncState }> {
    const found = await graph.readCheckpoint(key);
    const state = found === undefined ? fresh : StoredState.parse(found.state);
    const checkpoint = new SyncCheckpoint(graph, key, found?.version ?? 0);
    await checkpoint.write([], state, at);
    return { checkpoint, state };
  }

  /** Blocks and state, both or neither. @throws {CheckpointConflictError} Someone else has taken the work over. */
  async write(blocks: readonly BlockRecord[], state: SyncState, at: Instant): Promise<void> {
    await this.#graph.writeBlocks(blocks, { key: this.#key, expected: this.#version, state, at });
    this.#version++;
  }
}

/** Position in the order of `VaultFiles.list`: the same comparison, so that nothing is skipped or done twice. */
export const isAfter = (file: VaultFile, last: VaultFile | null): boolean =>
  last === null || file.tier > last.tier || (file.tier === last.tier && file.path > last.path);

/** Checkpoints of one run, whatever the activity and the visit. Ids contain no slash, so no other run's key starts like this. */
export const runPrefix = ({ jobType, runId }: { jobType: string; runId: string }): string => `${jobType}/${runId}/`;

/** Without the visit: another attempt goes on where the last one failed, with its counters. */
export const checkpointKey = ({ jobType, runId, activityId }: { jobType: string; runId: string; activityId: string }): string =>
  `${runPrefix({ jobType, runId })}${activityId}`;
