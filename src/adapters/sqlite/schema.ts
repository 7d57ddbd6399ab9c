/** Tables of the embedded graph. Append to the list, never edit what has been released: `user_version` counts how many have run. */
import type { DatabaseSync } from 'node:sqlite';
import { GraphFileError } from '../../knowledge/errors.ts';

// Nodes that other services create may have an id and nothing else (contracts §7.1), hence the nulls.
const MIGRATIONS = [
  `CREATE TABLE block (
     id TEXT PRIMARY KEY,
     text TEXT,
     hash TEXT,
     version INTEGER,
     last_updated INTEGER, -- milliseconds since the epoch
     needs_reprocessing INTEGER,
     source_file TEXT
   ) STRICT;
   CREATE TABLE checkpoint (
     key TEXT PRIMARY KEY,
     version INTEGER NOT NULL,
     state TEXT NOT NULL, -- JSON
     updated_at INTEGER NOT NULL
   ) STRICT;`,
];

/**
 * Brings the tables up to date. Two processes may do so at once: the second waits and finds nothing left to do.
 * @throws {GraphFileError} `newer`: written by a later Almanac. `foreign`: a database of something else.
 */
export function migrate(db: DatabaseSync, path: string): void {
  if (userVersion(db) === MIGRATIONS.length) return;
  db.exec('BEGIN IMMEDIATE');
  try {
    const version = userVersion(db);
    if (version > MIGRATIONS.length) {
      throw new GraphFileError(
        path,
        'newer',
        `has schema ${version}, this Almanac knows ${MIGRATIONS.length}: update Almanac, or use another file`,
      );
    }
    if (version === 0 && db.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() !== undefined) {
      throw new GraphFileError(path, 'foreign', 'is a database of something else: use another file');
    }
    for (const migration of MIGRATIONS.slice(version)) db.exec(migration);
    db.exec(`PRAGMA user_version = ${MIGRATIONS.length}`);
    db.exec('COMMIT');
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

const userVersion = (db: DatabaseSync): number => (db.prepare('PRAGMA user_version').get() as { user_version: number }).user_version;
