/** Other processes of this machine, by pid. A pid alone proves nothing: the system uses it again for somebody else. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 20;
const KILL_MS = 5_000;

/** When the process with this pid began, in the system's own notation: with the pid it names one process for good. Undefined when it has ended. */
export function processBirth(pid: number): string | undefined {
  if (process.platform !== 'linux') return ps(pid, 'lstart=');
  // The fields after the command, which is in parentheses and may itself hold spaces: state first, birth in clock ticks 20th.
  const fields = proc(pid, 'stat')
    ?.replace(/^.*\) /s, '')
    .split(' ');
  return fields === undefined || fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
}

/** Its command line, arguments joined by one space; empty when it has ended. */
export function processCommand(pid: number): string {
  return (process.platform === 'linux' ? proc(pid, 'cmdline')?.replaceAll('\0', ' ') : ps(pid, 'command=')) ?? '';
}

/** Ends a process: SIGTERM, and SIGKILL when it is still there after the grace; without a grace, SIGKILL at once. Resolves when it has gone. */
export async function endProcess(pid: number, graceMs: number): Promise<void> {
  const birth = processBirth(pid);
  const gone = () => birth === undefined || processBirth(pid) !== birth;
  const steps = [['SIGTERM', graceMs] as const, ['SIGKILL', KILL_MS] as const].slice(graceMs > 0 ? 0 : 1);
  for (const [signal, waitMs] of steps) {
    if (gone()) return;
    sendSignal(pid, signal);
    for (const deadline = performance.now() + waitMs; performance.now() < deadline && !gone(); ) await delay(POLL_MS);
  }
  if (!gone()) throw new Error(`process ${pid} cannot be ended, not even with SIGKILL`);
}

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ESRCH') throw cause; // it ended by itself, just now
  }
}

function proc(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return undefined;
  }
}

function ps(pid: number, column: string): string | undefined {
  try {
    return (
      execFileSync('ps', ['-ww', '-o', column, '-p', String(pid)], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim() ||
      undefined
    );
  } catch {
    return undefined;
  }
}
