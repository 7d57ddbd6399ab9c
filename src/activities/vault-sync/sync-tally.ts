/** Decides block by block and keeps count. Nothing here waits: what comes out is written in one transaction. */
import type { VaultSyncCounters } from '../../../machines/vault-sync.machine.ts';
import type { ActivityLog } from '../../domain/activity.ts';
import type { Instant } from '../../domain/ids.ts';
import type { VaultBlock } from '../../knowledge/blocks.ts';
import { type Finding, FindingCollector } from '../../knowledge/findings.ts';
import type { BlockRecord, StoredBlock, VaultFile } from '../../knowledge/ports.ts';
import { compareBlock } from '../../knowledge/reconcile.ts';
import type { ParsedFile } from './parsed-file.ts';
import type { SyncState } from './sync-checkpoint.ts';

type Writable<Type> = { -readonly [Key in keyof Type]: Type[Key] };
type Known = ReadonlyMap<string, Pick<StoredBlock, 'hash' | 'version'>>;

export class SyncTally {
  readonly #counters: Writable<VaultSyncCounters>;
  readonly #problems: FindingCollector;
  readonly #log: ActivityLog;
  #last: VaultFile | null;

  constructor({ last, counters, problems }: SyncState, log: ActivityLog) {
    this.#last = last;
    this.#counters = { ...counters };
    this.#problems = new FindingCollector(problems);
    this.#log = log;
  }

  /** What has to be written for these files. `stored` is what the graph knows of their ids. */
  add(files: readonly ParsedFile[], stored: Known, write: { at: Instant; locate: (file: VaultFile) => string }): BlockRecord[] {
    const known = new Map(stored); // an id that occurs twice meets itself, as if each block were written before the next is read
    const changed: BlockRecord[] = [];
    for (const { file, blocks, error } of files) {
      this.#counters.files_processed++;
      if (error !== undefined) this.#refuse({ kind: error.problem, file: file.path, detail: error.message });
      for (const block of blocks) {
        const record = this.#block(block, file, known, write);
        if (record === undefined) continue;
        known.set(record.id, record);
        changed.push(record);
      }
      this.#last = file;
    }
    return changed;
  }

  state(): SyncState {
    return { last: this.#last, counters: { ...this.#counters }, problems: this.#problems.report() };
  }

  #block(
    block: VaultBlock,
    file: VaultFile,
    known: Known,
    { at, locate }: { at: Instant; locate: (file: VaultFile) => string },
  ): BlockRecord | undefined {
    const { id, version, semanticText, contentHash } = block;
    this.#counters.blocks_processed++;
    if (version === undefined) {
      this.#refuse({ kind: 'version-too-large', file: file.path, id, detail: 'has a version beyond 2^53 − 1; the block was left alone' });
      return undefined;
    }
    const outcome = compareBlock(block, known.get(id));
    this.#counters[`blocks_${outcome}`]++;
    if (outcome === 'unchanged') return undefined;
    return { id, text: semanticText, hash: contentHash, version, lastUpdated: at, needsReprocessing: true, sourceFile: locate(file) };
  }

  #refuse(finding: Finding): void {
    this.#counters.errors++;
    this.#problems.add(finding);
    const facts = { file: finding.file, ...(finding.id === undefined ? {} : { aclarai_id: finding.id }), error: finding.detail };
    this.#log.warn(facts, `vault_sync.reconcile_blocks: ${finding.kind}`);
  }
}
