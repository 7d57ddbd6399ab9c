/** What a dead letter was: a command that nobody can carry out, or the command of a run that cannot go on. */
export const DEAD_LETTER_ORIGINS = ['command', 'run'] as const;
export type DeadLetterOrigin = (typeof DEAD_LETTER_ORIGINS)[number];
