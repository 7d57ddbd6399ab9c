/**
 * One at a time across processes. The operating system holds the lock for the process (SQLite's exclusive file lock), so it
 * cannot outlive its holder: there are no stale locks to recognise, not even after kill -9. The empty file stays and means nothing.
 */
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';

const SQLITE_BUSY = 5;
const RETRY_MS = 25;

/** Waits for the lock as long as it takes, calls `onWait` once if it had to, and gives the lock back when `action` has settled. */
export async function withKernelLock<T>(path: string, action: () => Promise<T>, onWait?: () => void): Promise<T> {
  await mkdir(dirname(path), { recursive: true });
  const lock = new DatabaseSync(path, { timeout: 0 });
  try {
    for (let first = true; !acquired(lock); first = false) {
      if (first) onWait?.();
      await delay(RETRY_MS);
    }
    return await action();
  } finally {
    lock.close();
  }
}

function acquired(lock: DatabaseSync): boolean {
  try {
    lock.exec('BEGIN EXCLUSIVE');
    return true;
  } catch (cause) {
    if ((cause as { errcode?: number }).errcode === SQLITE_BUSY) return false;
    throw cause;
  }
}
