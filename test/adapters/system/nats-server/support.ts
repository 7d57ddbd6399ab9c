import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { endProcess, processBirth } from '../../../../src/adapters/system/nats-server/processes.ts';
import { existingServerFolder, serverProcess } from '../../../../src/adapters/system/nats-server/server-folder.ts';
import type { ServerRecord } from '../../../../src/adapters/system/nats-server/server-record.ts';

export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'almanac-test-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A data folder whose server, if one is left, ends with the test. */
export async function dataFolder(): Promise<string> {
  const dataDir = await temporaryFolder();
  onTestFinished(async () => {
    const folder = await existingServerFolder(dataDir);
    const pid = folder && (await serverProcess(folder));
    if (pid !== undefined) await endProcess(pid, 0);
  });
  return dataDir;
}

export const isAlive = (pid: number): boolean => processBirth(pid) !== undefined;

export type Application = {
  opened: ServerRecord & { owned: boolean };
  process: ChildProcess;
  close(): Promise<void>;
  crash(): Promise<void>;
  /** What a terminal does on Ctrl-C: SIGINT to the foreground process group. */
  interrupt(): Promise<void>;
};

/** Another process that opens the embedded server. */
export async function startApplication(dataDir: string): Promise<Application> {
  const script = fileURLToPath(new URL('application.ts', import.meta.url));
  const child = spawn(process.execPath, [script, dataDir], { stdio: ['pipe', 'pipe', 'inherit'], detached: true });
  onTestFinished(() => void child.kill('SIGKILL'));
  const exited = once(child, 'exit');
  const [line] = await Promise.race([
    once(createInterface(child.stdout), 'line') as Promise<[string]>,
    exited.then(() => Promise.reject(new Error('the application ended before it had opened the server'))),
  ]);
  const end = async (how: () => void) => {
    how();
    await exited;
  };
  return {
    opened: JSON.parse(line),
    process: child,
    close: () => end(() => child.stdin.end()),
    crash: () => end(() => child.kill('SIGKILL')),
    interrupt: () => end(() => process.kill(-child.pid!, 'SIGINT')),
  };
}
