/** Opening a SQLite file that several processes share, with errors that say what to do. */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { GraphBusyError, GraphFileError } from '../../knowledge/errors.ts';
import { migrate } from './schema.ts';

// SQLite's primary result codes.
const BUSY = 5;
const LOCKED = 6;
const READONLY = 8;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const NOTADB = 26;

/** SQLite waits this long by itself. It blocks the whole process, heartbeats included, so it is short and we wait outside of it. */
const BLOCKING_WAIT_MS = 10;
const RETRY_DELAY_MS = 25;
const MAX_WAIT_MS = 15_000;

/** @throws {GraphFileError} */
export function openGraphFile(path: string): DatabaseSync {
  createFolder(path);
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { timeout: BLOCKING_WAIT_MS });
    // NORMAL: a power cut may cost the last transactions, checkpoint and blocks together, and the next run does them again.
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;');
    migrate(db, path);
    return db;
  } catch (error) {
    db?.close();
    throw asGraphFileError(error, path);
  }
}

/**
 * Runs `work` until no other process holds the lock it needs.
 * @throws {GraphBusyError} After {@link MAX_WAIT_MS}.
 * @throws {GraphFileError} The file cannot be used.
 */
export async function whenFree<Result>(path: string, work: () => Result): Promise<Result> {
  for (let waitedMs = 0; ; waitedMs += BLOCKING_WAIT_MS + RETRY_DELAY_MS) {
    try {
      return work();
    } catch (error) {
      const code = sqliteCode(error);
      if (code !== BUSY && code !== LOCKED) throw asGraphFileError(error, path);
      if (waitedMs >= MAX_WAIT_MS) throw new GraphBusyError(path, waitedMs, { cause: error });
      await delay(RETRY_DELAY_MS);
    }
  }
}

function createFolder(path: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true });
  } catch (cause) {
    throw new GraphFileError(path, 'unwritable', `its folder cannot be created (${(cause as NodeJS.ErrnoException).code})`, { cause });
  }
}

function asGraphFileError(error: unknown, path: string): unknown {
  switch (sqliteCode(error)) {
    case CORRUPT:
    case NOTADB:
      return new GraphFileError(path, 'corrupt', 'is damaged or not a SQLite database: move it away; the next vault-sync builds it anew', {
        cause: error,
      });
    case READONLY:
    case CANTOPEN:
      return new GraphFileError(path, 'unwritable', 'cannot be opened for writing: check the permissions of the file and its folder', {
        cause: error,
      });
    case FULL:
      return new GraphFileError(path, 'unwritable', 'the disk is full', { cause: error });
    default:
      return error;
  }
}

/** The low byte is the primary code; the rest only refines it. */
function sqliteCode(error: unknown): number | undefined {
  const { errcode } = error as { errcode?: unknown };
  return typeof errcode === 'number' ? errcode & 0xff : undefined;
}
