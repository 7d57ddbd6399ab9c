/** examples/worker.py as its users run it. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type Running, watched } from './almanac-process.ts';

const PROGRAM = fileURLToPath(new URL('../../examples/worker.py', import.meta.url));

export interface PythonWorker extends Running, AsyncDisposable {}

/** Resolves once it listens. */
export async function pythonWorker({ url }: { readonly url: string }, subject: string): Promise<PythonWorker> {
  const child = spawn('python3', [PROGRAM, new URL(url).host, subject], { stdio: ['ignore', 'pipe', 'pipe'] });
  const endWithUs = () => child.kill('SIGKILL'); // a run of the tests that is broken off
  process.once('exit', endWithUs);
  const running = watched(child);
  await running.says('ready');
  return Object.assign(running, {
    async [Symbol.asyncDispose]() {
      await running.kill('SIGKILL');
      process.off('exit', endWithUs);
    },
  });
}
