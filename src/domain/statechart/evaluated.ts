import type { AnyMachineSnapshot } from 'xstate';
import type { RawAction } from './raw-action.ts';

/** A whole macrostep, whoever evaluated it: the previous snapshot itself when nothing changed, and what was listed, in order. */
export interface Evaluated {
  readonly snapshot: AnyMachineSnapshot;
  readonly actions: readonly RawAction[];
}
