/**
 * The aggregate: a run's decisions (invariant 1); `verify-history.ts` folds them again. Pure: clock, ids and sequence numbers are arguments
 * (invariant 7).
 */
import { SnapshotTooLargeError } from './errors.ts';
import { hashOfEvent } from './hash-chain.ts';
import { type Instant, isoTime, type JobTypeId, type RunId, type Sequence } from './ids.ts';
import { type Parked, parkedOf } from './parking.ts';
import {
  type Actor,
  type Cause,
  cloudEventSubject,
  type LeaseMark,
  MAX_RUN_EVENT_BYTES,
  type Parent,
  type RunEvent,
  type RunEventData,
} from './run-event.ts';
import type { RunPolicy } from './run-policy.ts';
import type { Effect } from './statechart/effect.ts';
import type { FoldableStatechart } from './statechart/fold.ts';
import { throughJson } from './statechart/json.ts';
import { describeState, isFinal, outcomeOf, type Snapshot } from './statechart/snapshot.ts';
import type { Step } from './statechart/step.ts';
import type { Stimulus } from './statechart/stimulus.ts';

/** A run as its holder knows it: what the last event of its subject says. */
export interface Run {
  readonly jobType: JobTypeId;
  readonly runId: RunId;
  readonly revision: number;
  /** What the next append must expect (invariant 2). */
  readonly sequence: Sequence;
  readonly snapshot: Snapshot;
  readonly definition: string;
  readonly startedAt: string;
  readonly lease: LeaseMark;
  readonly parked?: Parked | undefined;
  readonly parent?: Parent | undefined;
  readonly traceparent?: string | undefined;
  /** The last event as it is stored, for the chain: hashed only when there is a next one. */
  readonly lastBytes: Uint8Array;
}

/** What a decision needs from outside, decided once and stored with it. */
export interface Facts {
  /** Unique; how a writer recognises its own event when an answer was lost. */
  readonly eventId: string;
  readonly at: Instant;
  readonly source: string;
  /** Whose the run is after the decision. A signal leaves it with whom it was. */
  readonly lease: LeaseMark;
  /** The command that asks for the decision, where it is not that of the lease. */
  readonly command?: number;
  /** Who asked for it, where that is known. */
  readonly actor?: Actor | undefined;
  /** As of {@link parkedOf}. */
  readonly parkAfterMs: number;
}

/** In place of the command: the run belongs to no lease. A parked run that a signal has moved waits for its next start command. */
export const NOBODY = 0;

/** An event nobody has stored yet, and what must be done once it is (invariant 3). */
export interface Decision {
  readonly event: RunEvent;
  readonly bytes: Buffer;
  readonly effects: readonly Effect[];
}

export interface StartRequest {
  readonly jobType: JobTypeId;
  readonly runId: RunId;
  readonly input: unknown;
  readonly parent?: Parent | undefined;
  readonly policy: RunPolicy;
  readonly traceparent?: string | undefined;
}

/** The same on replay: randomness is derived from what the log knows. */
export const seedOf = (jobType: JobTypeId, run: RunId, revision: number) => `${jobType}/${run}:${revision}`;
export const START_EVENT = { type: 'xstate.init' } as const;
/** Ends a run whose statechart knows no `cancel`. */
export const CANCEL_EVENT = { type: 'almanac.cancel' } as const;

/** @throws {StatechartCodeError} The statechart's own code threw: append nothing. */
export function startRun(statechart: FoldableStatechart, request: StartRequest, facts: Facts): Decision {
  const { jobType, runId, policy } = request;
  const step = asStored(statechart.start(request.input, { at: facts.at, seed: seedOf(jobType, runId, 1), policy }));
  const startedAt = isoTime(facts.at);
  const data: RunEventData = {
    revision: 1,
    event: START_EVENT,
    from: null,
    to: describeState(step.snapshot.value),
    cause: { command: facts.lease.command },
    ...ownershipFields(step.snapshot, request, facts),
    input: request.input,
    policy,
    startedAt,
    ...outcomeField(step.snapshot),
    snapshot: step.snapshot,
    definition: statechart.definitionHash,
    previous: null,
  };
  return decision('almanac.run.started', { jobType, runId, traceparent: request.traceparent }, facts, data, step.effects);
}

/**
 * Undefined: the run does not react (stale, repeated, not for this state), so there is nothing to append.
 * @throws {StatechartCodeError} as {@link startRun}
 */
export function advanceRun(statechart: FoldableStatechart, run: Run, stimulus: Stimulus, facts: Facts): Decision | undefined {
  const revision = run.revision + 1;
  const heard = statechart.step(run.snapshot, stimulus, { at: facts.at, seed: seedOf(run.jobType, run.runId, revision) });
  if (heard === undefined) return undefined;
  const step = asStored(heard);
  const data: RunEventData = {
    revision,
    event: stimulus.event,
    from: describeState(run.snapshot.value),
    to: describeState(step.snapshot.value),
    cause: causeOf(stimulus, facts),
    ...ownershipFields(step.snapshot, run, facts),
    startedAt: run.startedAt,
    ...outcomeField(step.snapshot),
    snapshot: step.snapshot,
    definition: run.definition,
    previous: hashOfEvent(run.lastBytes),
  };
  return decision(isFinal(step.snapshot) ? 'almanac.run.finished' : 'almanac.run.transitioned', run, facts, data, step.effects);
}

/** Ends the run from outside: for statecharts that know no `cancel`. What goes on for it is stopped, nothing of it is heard any more. */
export function cancelRun(run: Run, facts: Facts): Decision {
  const snapshot = stopped(run.snapshot);
  const data: RunEventData = {
    revision: run.revision + 1,
    event: CANCEL_EVENT,
    from: describeState(run.snapshot.value),
    to: describeState(snapshot.value),
    cause: commandCause(facts),
    ...ownershipFields(snapshot, run, facts),
    startedAt: run.startedAt,
    ...outcomeField(snapshot),
    snapshot,
    definition: run.definition,
    previous: hashOfEvent(run.lastBytes),
  };
  return decision('almanac.run.finished', run, facts, data, []);
}

/**
 * A run that has ended begins anew, with the input it had, on the statechart as it is now. Visits go on counting, so that nothing of the
 * earlier attempt is taken for a part of this one.
 *
 * @throws {StatechartCodeError} as {@link startRun}
 */
export function restartRun(
  statechart: FoldableStatechart,
  run: Run,
  { input, policy }: Pick<StartRequest, 'input' | 'policy'>,
  facts: Facts,
): Decision {
  const revision = run.revision + 1;
  const environment = { at: facts.at, seed: seedOf(run.jobType, run.runId, revision), policy };
  const step = asStored(statechart.start(input, environment, run.snapshot.visits));
  const data: RunEventData = {
    revision,
    event: START_EVENT,
    from: describeState(run.snapshot.value),
    to: describeState(step.snapshot.value),
    cause: commandCause(facts),
    ...ownershipFields(step.snapshot, run, facts),
    input,
    policy,
    startedAt: run.startedAt,
    ...outcomeField(step.snapshot),
    snapshot: step.snapshot,
    definition: statechart.definitionHash,
    previous: hashOfEvent(run.lastBytes),
  };
  return decision('almanac.run.restarted', run, facts, data, step.effects);
}

/** A new holder takes a run over. Nothing moves, but the old holder's next append now fails, so it stops (invariants 2 and 4). */
export const resumeRun = (run: Run, facts: Facts): Decision => takeOver('almanac.run.resumed', run, run, facts);

/** @param now What the run is on from now on: on a resume, what it was. */
export function takeOver(
  type: 'almanac.run.resumed' | 'almanac.run.adopted',
  run: Run,
  now: Pick<Run, 'snapshot' | 'definition'>,
  facts: Facts,
): Decision {
  const data: RunEventData = {
    revision: run.revision + 1,
    from: describeState(run.snapshot.value),
    to: describeState(now.snapshot.value),
    cause: { command: facts.lease.command },
    lease: facts.lease,
    ...(run.parent && { parent: run.parent }),
    startedAt: run.startedAt,
    snapshot: now.snapshot,
    definition: now.definition,
    previous: hashOfEvent(run.lastBytes),
  };
  return decision(type, run, facts, data, []);
}

/** What a run is once its last event, stored as `bytes` at `sequence`, is known. */
export function runAfter(jobType: JobTypeId, runId: RunId, event: RunEvent, bytes: Uint8Array, sequence: Sequence): Run {
  const { revision, snapshot, definition, startedAt, lease, parked, parent } = event.data;
  return {
    jobType,
    runId,
    revision,
    sequence,
    snapshot,
    definition,
    startedAt,
    lease,
    parked,
    parent,
    traceparent: event.traceparent,
    lastBytes: bytes,
  };
}

function causeOf(stimulus: Stimulus, facts: Facts): Cause {
  switch (stimulus.kind) {
    case 'activity':
      return { activity: stimulus.id, visit: stimulus.visit };
    case 'timer':
      return { timer: stimulus.id, visit: stimulus.visit };
    case 'event':
      return commandCause(facts);
  }
}

const commandCause = ({ command, lease }: Facts): Cause => ({ command: command ?? lease.command });

export function stopped({ value, context, history, visits }: Snapshot): Snapshot {
  return { value, context, status: 'stopped', ...(history && { history }), visits };
}

/** Whose the run is, who wanted it so, and whom its end concerns. */
function ownershipFields(
  snapshot: Snapshot,
  { parent }: { readonly parent?: Parent | undefined },
  { lease, actor, at, parkAfterMs }: Facts,
): Pick<RunEventData, 'lease' | 'parked' | 'actor' | 'parent'> {
  const parked = parkedOf(snapshot, at, parkAfterMs);
  return { lease, ...(parked && { parked }), ...(actor && { actor }), ...(parent && { parent }) };
}

/**
 * What the log will say, from the first moment on: a holder that goes on in memory sees what one that loads the run would see. A date in a
 * context is text at once, not only after a crash, and an `undefined` is absent.
 */
function asStored(step: Step): Step {
  if (isFinal(step.snapshot)) return step; // nobody goes on from here
  const snapshot = throughJson(step.snapshot);
  const effects = step.effects.map((effect): Effect => {
    if (effect.type !== 'startActivity' || effect.input === undefined) return effect;
    return { ...effect, input: snapshot.activities![effect.id]!.input! };
  });
  return { snapshot, effects };
}

function outcomeField(snapshot: Snapshot): { outcome?: string } {
  const outcome = outcomeOf(snapshot);
  return outcome === undefined ? {} : { outcome };
}

function decision(
  type: RunEvent['type'],
  run: { readonly jobType: JobTypeId; readonly runId: RunId; readonly traceparent?: string | undefined },
  facts: Facts,
  data: RunEventData,
  effects: readonly Effect[],
): Decision {
  const event: RunEvent = {
    specversion: '1.0',
    id: facts.eventId,
    source: facts.source,
    type,
    subject: cloudEventSubject(run.jobType, run.runId),
    time: isoTime(facts.at),
    datacontenttype: 'application/json',
    ...(run.traceparent && { traceparent: run.traceparent }),
    data,
  };
  const bytes = Buffer.from(JSON.stringify(event));
  if (bytes.byteLength > MAX_RUN_EVENT_BYTES) throw new SnapshotTooLargeError(run.runId, bytes.byteLength, MAX_RUN_EVENT_BYTES);
  return { event, bytes, effects };
}
