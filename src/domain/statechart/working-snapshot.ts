import type { AnyMachineSnapshot } from 'xstate';
import type { ActorReference } from './raw-action.ts';

/** XState's snapshot, with the parts that a macrostep replaces open for writing. */
export interface WorkingSnapshot {
  context: Readonly<Record<string, unknown>>;
  children: Readonly<Record<string, ActorReference>>;
  historyValue: unknown;
  status: string;
  output: unknown;
  value: unknown;
  _nodes: unknown;
  tags: unknown;
}

/** Guards and built-in actions read it as one of their own. */
export const asSnapshot = (working: WorkingSnapshot): AnyMachineSnapshot => working as unknown as AnyMachineSnapshot;
