/** A vault on disk and a real graph, for tests that sync one into the other. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { vaultSyncActivities } from '../../src/activities/vault-sync/index.ts';
import { sqliteGraph } from '../../src/adapters/sqlite/graph.ts';
import { vaultFiles } from '../../src/adapters/system/vault-files.ts';
import { instant } from '../../src/domain/ids.ts';
import type { Tier, VaultFiles } from '../../src/knowledge/ports.ts';
import { activityContext } from './activity-context.ts';
import { temporaryFolder } from './temporary-folder.ts';

export const ALL_TIERS: Tier[] = [1, 2, 3];
/** A block as the importer writes it. */
export const utterance = (id: string, text: string, version: number | string = 1): string =>
  `${text}\n<!-- aclarai:id=${id} ver=${version} -->\n^${id}\n\n`;

export class VaultSyncFixture {
  readonly folder = temporaryFolder();
  readonly root = join(this.folder.path, 'vault');
  readonly graphFile = join(this.folder.path, 'graph.sqlite');
  readonly vault: VaultFiles = vaultFiles({ root: this.root });
  readonly graph = sqliteGraph(this.graphFile);
  /** Milliseconds; moved by hand. */
  now = 1_790_000_000_000;
  #runs = 0;

  constructor() {
    mkdirSync(join(this.root, 'conversations'), { recursive: true });
  }

  add(path: string, content: string | Uint8Array): string {
    return this.folder.write(join('vault', path), content);
  }

  activities({ graph = this.graph, vault = this.vault, prefix = 'aclarai' as 'aclarai' | 'clarifai' } = {}) {
    return vaultSyncActivities({ vault, graph, prefix, clock: () => instant(this.now) });
  }

  /** A whole run's reconciliation. */
  async sync(tiers = ALL_TIERS, context = activityContext({ runId: `run-${++this.#runs}`, activityId: 'reconcileBlocks' })) {
    return { ...(await this.activities().reconcileBlocks({ tiers }, context)), context };
  }

  async counters(tiers = ALL_TIERS) {
    return (await this.sync(tiers)).counters;
  }

  async block(id: string) {
    return (await this.graph.readBlocks([id])).get(id);
  }

  /** All nodes, without the times of writing. */
  nodes(): unknown[] {
    return this.rows('SELECT id, text, hash, version, needs_reprocessing, source_file FROM block ORDER BY id');
  }

  rows(sql: string): unknown[] {
    const db = new DatabaseSync(this.graphFile);
    try {
      return db.prepare(sql).all();
    } finally {
      db.close();
    }
  }

  async dispose(): Promise<void> {
    await this.graph.close();
    this.folder.remove();
  }
}
