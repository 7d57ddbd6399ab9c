/** A folder of one test, gone with it. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export interface TemporaryFolder {
  readonly path: string;
  /** Creates folders on the way. @returns The absolute path. */
  write(path: string, content: string | Uint8Array): string;
  remove(): void;
}

export function temporaryFolder(): TemporaryFolder {
  const root = mkdtempSync(join(tmpdir(), 'almanac-test-'));
  return {
    path: root,
    write(path, content) {
      const target = join(root, path);
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, content);
      return target;
    },
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}
