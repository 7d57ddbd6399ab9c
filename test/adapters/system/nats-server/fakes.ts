import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';

/** A shell script in the place of a program. */
export function script(path: string, ...lines: string[]): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, ['#!/bin/sh', ...lines, ''].join('\n'), { mode: 0o755 });
  return path;
}

/** What a NATS Server binary is to the search: something that answers --version. */
export const fakeServer = (path: string, version: string): string => script(path, `echo "nats-server: v${version}"`);

/** An archive laid out as the official ones are. */
export function fakeArchive(folder: string, version: string, arch: string): { content: Buffer; sha256: string } {
  const name = `nats-server-v${version}-linux-${arch}`;
  fakeServer(join(folder, name, 'nats-server'), version);
  const content = execFileSync('tar', ['-czf', '-', name], { cwd: folder });
  return { content, sha256: createHash('sha256').update(content).digest('hex') };
}

export async function website(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`;
}
