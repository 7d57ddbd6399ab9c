/** The embedded server's log: one file, and the one before it. */
import { openSync, renameSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';

const ROTATE_BYTES = 10 * 1024 * 1024;
const TAIL_BYTES = 8 * 1024;

/** Opens it for appending; a log that has grown past 10 MiB is first renamed to `….1`, over the previous one. */
export function openLog(path: string): number {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size > ROTATE_BYTES) renameSync(path, `${path}.1`);
  return openSync(path, 'a');
}

/** The last lines, for an error message; empty when there is no log. */
export async function lastLines(path: string, lines = 12): Promise<string> {
  const file = await open(path).catch(() => undefined);
  if (file === undefined) return '';
  try {
    const { size } = await file.stat();
    const buffer = Buffer.alloc(Math.min(size, TAIL_BYTES));
    await file.read(buffer, 0, buffer.length, size - buffer.length);
    return buffer.toString('utf8').trimEnd().split('\n').slice(-lines).join('\n');
  } finally {
    await file.close();
  }
}
