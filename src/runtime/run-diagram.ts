/** The statechart of a run as a picture, with where the run is. */
import { ConflictError } from '../domain/errors.ts';
import type { JobType } from '../domain/job-type.ts';
import { isFailure } from '../domain/outcome.ts';
import { definitionHash } from '../domain/statechart/definition-hash.ts';
import { stateDiagram } from '../domain/statechart/diagram.ts';
import { machineShape } from '../domain/statechart/shape.ts';
import { outcomeOf } from '../domain/statechart/snapshot.ts';
import type { StoredRunEvent } from './ports.ts';

/**
 * @param last The run's last event.
 * @throws {ConflictError} The run is on another definition than the one there is now (invariant 9).
 */
export function runDiagramOf({ runId, event }: StoredRunEvent, { id, machine }: JobType): string {
  const { snapshot, definition } = event.data;
  const current = definitionHash(machine);
  if (definition !== current) {
    const versions = `definition ${definition} of ${id}, and this program has ${current}`;
    throw new ConflictError(`run ${runId} is on ${versions}: draw it with the version of the program that it ran on`);
  }
  const outcome = outcomeOf(snapshot);
  const as = outcome !== undefined && isFailure(outcome) ? 'failed' : 'active';
  return stateDiagram(machineShape(machine), { value: snapshot.value, as });
}
