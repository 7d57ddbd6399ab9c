/** The fold of a run's stored events (invariant 1): what they lead to, compared with what they say. Pure. */
import { HistoryMismatchError } from './errors.ts';
import { hashOfEvent } from './hash-chain.ts';
import type { Instant } from './ids.ts';
import { CANCEL_EVENT, START_EVENT, stopped } from './run.ts';
import type { RunEvent, RunEventData } from './run-event.ts';
import type { FoldableStatechart } from './statechart/fold.ts';
import { describeState, isFinal, outcomeOf, type Snapshot } from './statechart/snapshot.ts';
import type { Stimulus } from './statechart/stimulus.ts';

/** One stored event, as history is read. */
export interface StoredEvent {
  readonly event: RunEvent;
  readonly bytes: Uint8Array;
}

/**
 * Folds the next event of a history onto what came before and checks that it says the same (invariant 1): revision, chain, snapshot.
 * Hand it the events of one run in order; `before` is undefined for the first.
 *
 * @param statechart Of the event's definition. Without it, only what needs no statechart is checked.
 * @throws {HistoryMismatchError} The log and the fold disagree: the history was altered, or the statechart is not the one it ran on.
 */
export function verifyNext(statechart: FoldableStatechart | undefined, before: StoredEvent | undefined, stored: StoredEvent): void {
  const { event } = stored;
  const { data } = event;
  const expectedRevision = (before?.event.data.revision ?? 0) + 1;
  if (data.revision !== expectedRevision)
    throw new HistoryMismatchError(event.subject, data.revision, `expected revision ${expectedRevision}`);
  const previous = before === undefined ? null : hashOfEvent(before.bytes);
  if (data.previous !== previous) throw new HistoryMismatchError(event.subject, data.revision, 'the hash chain is broken');
  const wrong = wrongField(before?.event, event);
  if (wrong !== undefined) throw new HistoryMismatchError(event.subject, data.revision, `'${wrong}' does not follow from the rest`);
  if (statechart === undefined) return;
  const folded = JSON.stringify(fold(statechart, before?.event, event));
  if (folded !== JSON.stringify(data.snapshot))
    throw new HistoryMismatchError(event.subject, data.revision, 'folding gives another snapshot');
}

/** What is in the event for people must say the same as what the fold uses: nobody folds the last event's hash. */
function wrongField(before: RunEvent | undefined, event: RunEvent): string | undefined {
  const { data } = event;
  if (event.type !== typeOf(before, data)) return 'type';
  if (data.from !== (before === undefined ? null : before.data.to)) return 'from';
  if (data.to !== describeState(data.snapshot.value)) return 'to';
  if (data.outcome !== outcomeOf(data.snapshot)) return 'outcome';
  if (data.startedAt !== (before === undefined ? event.time : before.data.startedAt)) return 'startedAt';
  if (before === undefined) return undefined;
  const mayChange = event.type === 'almanac.run.adopted' || event.type === 'almanac.run.restarted';
  if (!mayChange && data.definition !== before.data.definition) return 'definition';
  if (data.snapshot.visits < before.data.snapshot.visits) return 'visits'; // a fencing token would be handed out twice
  return undefined;
}

function typeOf(before: RunEvent | undefined, { event, snapshot, definition }: RunEventData): RunEvent['type'] {
  if (before === undefined) return 'almanac.run.started';
  if (event === undefined) return before.data.definition === definition ? 'almanac.run.resumed' : 'almanac.run.adopted';
  if (event.type === START_EVENT.type && isFinal(before.data.snapshot)) return 'almanac.run.restarted';
  return isFinal(snapshot) ? 'almanac.run.finished' : 'almanac.run.transitioned';
}

function fold(statechart: FoldableStatechart, before: RunEvent | undefined, event: RunEvent): Snapshot {
  const { data } = event;
  const environment = { at: Date.parse(event.time) as Instant, seed: `${event.subject}:${data.revision}` };
  if (before === undefined || event.type === 'almanac.run.restarted')
    return statechart.start(data.input, { ...environment, policy: data.policy }, before?.data.snapshot.visits).snapshot;
  if (event.type === 'almanac.run.adopted') return adoptedSnapshot(statechart, data.snapshot);
  if (data.event === undefined) return before.data.snapshot;
  if (data.event.type === CANCEL_EVENT.type) return stopped(before.data.snapshot);
  const step = statechart.step(before.data.snapshot, stimulusOf(data), environment);
  if (step === undefined)
    throw new HistoryMismatchError(event.subject, data.revision, `the statechart does not react to ${data.event.type}`);
  return step.snapshot;
}

/** Taken as it is: the code that mapped it may be gone. But the new definition has to know it. */
function adoptedSnapshot(statechart: FoldableStatechart, snapshot: Snapshot): Snapshot {
  statechart.hydrate(snapshot);
  return snapshot;
}

function stimulusOf({ cause, event }: RunEventData): Stimulus {
  const heard = event ?? START_EVENT;
  if ('activity' in cause) return { kind: 'activity', id: cause.activity, visit: cause.visit, event: heard };
  if ('timer' in cause) return { kind: 'timer', id: cause.timer, visit: cause.visit, event: heard };
  return { kind: 'event', event: heard };
}
