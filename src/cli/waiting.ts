import type { RunView } from '../runtime/run-view.ts';

/** For people: until when a run waits that nobody holds. */
export const waitingText = ({ waiting }: Pick<RunView, 'waiting'>): string | null => waiting && (waiting.until ?? 'for a signal');
