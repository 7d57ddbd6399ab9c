/** What a dead letter was: a command that nobody can carry out, a signal that its run refused, or the command of a run that cannot go on. */
export const DEAD_LETTER_ORIGINS = ['command', 'signal', 'run'] as const;
export type DeadLetterOrigin = (typeof DEAD_LETTER_ORIGINS)[number];

/** Of a run that has ended as `failed`: sending it again begins it anew. */
export const RUN_FAILED = 'RUN_FAILED';
