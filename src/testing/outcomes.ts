/** What an activity comes to in a test, in place of its code or around it. */
import type { Activities } from '../domain/activity.ts';

/** The code itself. It is awaited in real time: see `patienceMs`. */
type Code = Activities[string];

export type Outcome =
  | { readonly kind: 'succeeds'; readonly output: unknown }
  | { readonly kind: 'fails'; readonly error: Error }
  | { readonly kind: 'lasts'; readonly ms: number; readonly then: Outcome | Code }
  | { readonly kind: 'hangs' };

/** One for every call, or a list: the first call, the second, … A call that a list has nothing for fails the test. */
export type Script = Outcome | Code | readonly (Outcome | Code)[];

/** @param output As the activity would return it: JSON. The schema of a `defineJob` step is not asked. */
export const succeeds = (output: unknown = null): Outcome => ({ kind: 'succeeds', output });

/** @param error A text is an ordinary error, which is tried again; say `new TerminalError(…)` and the like for others. */
export const fails = (error: Error | string = 'it failed'): Outcome => ({
  kind: 'fails',
  error: typeof error === 'string' ? new Error(error) : error,
});

/** Takes so long by the virtual clock, and then comes to that. Ends sooner when it is aborted, as `hangs` does. */
export const lasts = (ms: number, then: Outcome | Code = succeeds()): Outcome => ({ kind: 'lasts', ms, then });

/** Never ends by itself: only when it is aborted, because the statechart leaves its state. */
export const hangs = (): Outcome => ({ kind: 'hangs' });
