/** Runs a program to its end. */
import { type ExecFileException, execFile } from 'node:child_process';

export type CommandOptions = { cwd?: string; env?: NodeJS.ProcessEnv; timeoutMs: number };

/** Rejects with one line for a person: not found, exit code and last words, or out of time. */
export function run(command: string, args: readonly string[], { timeoutMs, ...options }: CommandOptions): Promise<{ stdout: string }> {
  return new Promise((resolve, reject) => {
    execFile(command, args, { ...options, timeout: timeoutMs, maxBuffer: 16 * 1024 * 1024 }, (cause, stdout, stderr) => {
      if (!cause) resolve({ stdout });
      else reject(new Error(problem(command, cause, stderr || stdout, timeoutMs), { cause }));
    });
  });
}

function problem(command: string, cause: ExecFileException, output: string, timeoutMs: number): string {
  if (cause.code === 'ENOENT') return `${command} is not there`;
  if (cause.code === 'EACCES') return `${command} may not be executed`;
  if (cause.killed) return `${command} did not end within ${timeoutMs / 1000} s`;
  const lastWords = output.trim().split('\n').slice(-3).join(' · ').slice(0, 400);
  return `${command} failed with ${typeof cause.code === 'number' ? `exit code ${cause.code}` : cause.code}: ${lastWords || 'no output'}`;
}
