/** How a statechart names work on the outside world without holding the code that does it. */
import { fromPromise, type PromiseActorLogic } from 'xstate';

// XState puts no mark on what fromPromise returns, so the declarations are remembered here.
const declared = new WeakSet<object>();

/**
 * Declares an activity by its types: `setup({ actors: { scanVault: activity<ScanInput, ScanReport>() } })`. The code is registered
 * under the same name with the job type and is run by whoever holds the run's lease, never by the statechart.
 */
export function activity<Input, Output>(): PromiseActorLogic<Output, Input> {
  const logic = fromPromise<Output, Input>(() => Promise.reject(new Error('activities are run by the host')));
  declared.add(logic);
  return logic;
}

export const isActivity = (logic: unknown): boolean => typeof logic === 'object' && logic !== null && declared.has(logic);
