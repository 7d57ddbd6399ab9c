/** The graph in one SQLite file: the default, no server needed. Several processes may share the file. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Instant } from '../../domain/ids.ts';
import { CheckpointConflictError } from '../../knowledge/errors.ts';
import type { BlockRecord, CheckpointWrite, Graph, StoredBlock } from '../../knowledge/ports.ts';
import { openGraphFile, whenFree } from './open.ts';

/** The file, and its folder, are created by the first use. */
export function sqliteGraph(path: string): Graph {
  let statements: Statements | undefined;
  let closed = false;

  /** A failed opening is not remembered: someone may repair the file meanwhile. */
  function use<Result>(work: (open: Statements) => Result): Promise<Result> {
    return whenFree(path, () => {
      if (closed) throw new TypeError(`graph ${path} is closed`);
      statements ??= prepare(openGraphFile(path));
      return work(statements);
    });
  }

  return {
    readBlocks: (ids) =>
      use(({ readBlock }) => {
        const found = new Map<string, StoredBlock>();
        for (const id of ids) {
          const row = readBlock.get(id) as BlockRow | undefined;
          if (row !== undefined) found.set(id, storedBlock(row));
        }
        return found;
      }),
    writeBlocks: (blocks, checkpoint) =>
      use((open) =>
        inTransaction(open.db, () => {
          if (checkpoint !== undefined) moveCheckpoint(open, checkpoint);
          for (const block of blocks) writeBlock(open, block);
        }),
      ),
    readCheckpoint: (key) =>
      use(({ readCheckpoint }) => {
        const row = readCheckpoint.get(key) as { version: number; state: string } | undefined;
        return row && { version: row.version, state: JSON.parse(row.state) as unknown };
      }),
    clearCheckpoints: (prefix, before) =>
      use(({ clearCheckpoints }) => {
        clearCheckpoints.run(prefix, prefix, before);
      }),
    async close() {
      closed = true;
      statements?.db.close();
      statements = undefined;
    },
  };
}

interface Statements {
  readonly db: DatabaseSync;
  readonly readBlock: StatementSync;
  readonly writeBlock: StatementSync;
  readonly readCheckpoint: StatementSync;
  readonly firstCheckpoint: StatementSync;
  readonly nextCheckpoint: StatementSync;
  readonly clearCheckpoints: StatementSync;
}

const prepare = (db: DatabaseSync): Statements => ({
  db,
  readBlock: db.prepare('SELECT id, text, hash, version, last_updated, needs_reprocessing, source_file FROM block WHERE id = ?'),
  writeBlock: db.prepare(
    `INSERT INTO block (id, text, hash, version, last_updated, needs_reprocessing, source_file) VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET text = excluded.text, hash = excluded.hash, version = excluded.version,
       last_updated = excluded.last_updated, needs_reprocessing = excluded.needs_reprocessing, source_file = excluded.source_file`,
  ),
  readCheckpoint: db.prepare('SELECT version, state FROM checkpoint WHERE key = ?'),
  firstCheckpoint: db.prepare('INSERT INTO checkpoint (key, version, state, updated_at) VALUES (?, 1, ?, ?) ON CONFLICT (key) DO NOTHING'),
  nextCheckpoint: db.prepare('UPDATE checkpoint SET version = version + 1, state = ?, updated_at = ? WHERE key = ? AND version = ?'),
  clearCheckpoints: db.prepare('DELETE FROM checkpoint WHERE substr(key, 1, length(?)) = ? OR updated_at < ?'),
});

interface BlockRow {
  readonly id: string;
  readonly text: string | null;
  readonly hash: string | null;
  readonly version: number | null;
  readonly last_updated: number | null;
  readonly needs_reprocessing: number | null;
  readonly source_file: string | null;
}

const storedBlock = (row: BlockRow): StoredBlock => ({
  id: row.id,
  text: row.text,
  hash: row.hash,
  version: row.version,
  lastUpdated: row.last_updated as Instant | null,
  needsReprocessing: row.needs_reprocessing === null ? null : row.needs_reprocessing !== 0,
  sourceFile: row.source_file,
});

function writeBlock({ writeBlock: upsert }: Statements, block: BlockRecord): void {
  const { id, text, hash, version, lastUpdated, needsReprocessing, sourceFile } = block;
  upsert.run(id, text, hash, version, lastUpdated, needsReprocessing ? 1 : 0, sourceFile);
}

/** Compare-and-set, so that of two holders of the same work only one goes on. */
function moveCheckpoint({ firstCheckpoint, nextCheckpoint }: Statements, { key, expected, state, at }: CheckpointWrite): void {
  const json = JSON.stringify(state);
  const { changes } = expected === 0 ? firstCheckpoint.run(key, json, at) : nextCheckpoint.run(json, at, key, expected);
  if (changes !== 1) throw new CheckpointConflictError(key, expected);
}

function inTransaction(db: DatabaseSync, work: () => void): void {
  db.exec('BEGIN IMMEDIATE'); // takes the lock now: a transaction that began by reading could not be repeated when it has to wait
  try {
    work();
    db.exec('COMMIT');
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}
