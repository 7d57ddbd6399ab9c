/** Runs in flight by the definition they are on, and what would become of them with the code at hand. Nothing is changed. */

import { Definitions } from '../domain/definitions.ts';
import { AdoptionRefusedError, AlmanacError } from '../domain/errors.ts';
import type { Instant, JobTypeId } from '../domain/ids.ts';
import type { JobType } from '../domain/job-type.ts';
import { PARK_AFTER_MS } from '../domain/parking.ts';
import { runAfter } from '../domain/run.ts';
import { isFinal } from '../domain/statechart/snapshot.ts';
import type { RunHistory, StoredRunEvent } from './ports.ts';

export interface InFlight {
  readonly jobType: JobTypeId;
  readonly definition: string;
  /**
   * - `newest`, `registered`: the runs go on as they are.
   * - `adopted`: they move to the newest definition.
   * - `held`: they would stand still until somebody does something; see `reason`.
   */
  readonly with: 'newest' | 'registered' | 'adopted' | 'held';
  readonly runs: number;
  /** Ids of some of them. */
  readonly examples: readonly string[];
  readonly reason: string | null;
}

const EXAMPLES = 5;

export async function checkDefinitions(jobTypes: readonly JobType[], history: RunHistory, jobType?: JobTypeId): Promise<InFlight[]> {
  const definitions = new Map(jobTypes.map((each) => [each.id, new Definitions(each)]));
  const inFlight = new Map<string, StoredRunEvent>();
  await history.read({ jobType, lastPerRun: true }, (stored) => {
    const { subject, data } = stored.event;
    if (isFinal(data.snapshot))
      inFlight.delete(subject); // it came a second time, and has ended
    else inFlight.set(subject, stored);
    return undefined;
  });
  const groups = Object.groupBy(
    [...inFlight.values()].map((stored) => ({ stored, ...continuationOf(stored, definitions.get(stored.jobType)) })),
    ({ stored, with: how, issues }) => JSON.stringify([stored.jobType, stored.event.data.definition, how, issues]),
  );
  return Object.values(groups).map((group = []): InFlight => {
    const { stored, with: how, reason } = group[0]!;
    return {
      jobType: stored.jobType,
      definition: stored.event.data.definition,
      with: how,
      runs: group.length,
      examples: group.slice(0, EXAMPLES).map((each) => each.stored.runId),
      reason,
    };
  });
}

interface Continuation extends Pick<InFlight, 'with' | 'reason'> {
  /** What distinguishes it from others that are held: the reason names the run. */
  readonly issues?: readonly string[];
}

function continuationOf({ jobType, runId, event, bytes, sequence }: StoredRunEvent, definitions: Definitions | undefined): Continuation {
  if (definitions === undefined) return { with: 'held', reason: `there is no job type ${jobType} in this code` };
  const { definition, lease } = event.data;
  if (definition === definitions.newest.definitionHash) return { with: 'newest', reason: null };
  if (definitions.registered.has(definition)) return { with: 'registered', reason: null };
  try {
    const facts = { eventId: '', source: '', at: Date.parse(event.time) as Instant, lease, parkAfterMs: PARK_AFTER_MS };
    definitions.adopt(runAfter(jobType, runId, event, bytes, sequence), facts);
    return { with: 'adopted', reason: null };
  } catch (error) {
    if (error instanceof AdoptionRefusedError) return { with: 'held', reason: error.message, issues: error.issues };
    if (error instanceof AlmanacError) return { with: 'held', reason: error.message };
    throw error;
  }
}
