import { processBirth } from './processes.ts';

const LOOK_MS = 500;

/** Calls back once when a process, child or not, has ended. Does not keep ours alive. Returns how to stop watching. */
export function watchProcess(pid: number, onEnd: () => void): () => void {
  const birth = processBirth(pid);
  const timer = setInterval(() => {
    if (birth !== undefined && processBirth(pid) === birth) return;
    clearInterval(timer);
    onEnd();
  }, LOOK_MS);
  timer.unref();
  return () => clearInterval(timer);
}
