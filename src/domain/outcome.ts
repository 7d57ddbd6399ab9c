/** How runs end, by the name of their final state. */

/** What a parent is told of a child whose start command nobody could carry out: there is no run, only a dead letter. */
export const REFUSED = 'refused';

/** These count as failure for exit codes, metrics and batches; every other outcome is a success of its kind. */
const FAILURES: ReadonlySet<string> = new Set(['failed', 'cancelled', 'expired', 'timedOut', REFUSED]);

export const isFailure = (outcome: string): boolean => FAILURES.has(outcome);
