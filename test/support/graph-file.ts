/** The graph as another program sees it: straight from the file. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

export interface GraphFile {
  /** Blocks and checkpoints, without the times of writing. */
  contents(): string;
  empty(): void;
  /** Holds the lock that writers need, as a slow other process would. */
  hold(): void;
  /** Gives the lock back, if it is held. */
  release(): void;
}

export function graphFile(dataDir: string): GraphFile {
  const path = join(dataDir, 'graph.sqlite');
  let holding: DatabaseSync | undefined;
  const withFile = <Result>(work: (db: DatabaseSync) => Result): Result => {
    const db = new DatabaseSync(path, { timeout: 5_000 });
    try {
      return work(db);
    } finally {
      db.close();
    }
  };
  return {
    contents: () =>
      withFile((db) => {
        const blocks = db.prepare('SELECT id, text, hash, version, needs_reprocessing, source_file FROM block ORDER BY id').all();
        return JSON.stringify({ blocks, checkpoints: db.prepare('SELECT key, version FROM checkpoint ORDER BY key').all() });
      }),
    empty() {
      if (existsSync(path)) withFile((db) => db.exec('BEGIN IMMEDIATE; DELETE FROM block; DELETE FROM checkpoint; COMMIT'));
    },
    hold() {
      holding = new DatabaseSync(path, { timeout: 5_000 });
      holding.exec('BEGIN IMMEDIATE');
    },
    release() {
      holding?.close();
      holding = undefined;
    },
  };
}
