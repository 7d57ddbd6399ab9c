/** What must be true of the events of one run, looked at by themselves. */
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { StateValue } from 'xstate';
import type { LoggedEvent, LoggedSnapshot, Stored } from '../evidence.ts';
import { causeKind, EVENT_KINDS } from './event-kinds.ts';

type Complain = (rule: string, detail: string) => void;
/** `before` is undefined at the first event of the run. */
type EventCheck = (stored: Stored, before: Stored | undefined, complain: Complain) => void;

export interface LogContext {
  readonly key: string;
  readonly clocksSetBack: ReadonlySet<string>;
}

export function checkLog(history: readonly Stored[], { key, clocksSetBack }: LogContext, complain: Complain): void {
  const firing: EventCheck = (stored, before, say) => timerWasDue(stored, before, clocksSetBack, say);
  for (const [index, stored] of history.entries()) {
    const { type, data } = stored.event;
    const at = `revision ${data.revision} at ${stored.sequence} (${type})`;
    const say: Complain = (rule, detail) => complain(rule, `${at}: ${detail}`);
    if (EVENT_KINDS[type] === undefined) {
      say('every event is of a known type', type);
      continue;
    }
    if (stored.event.subject !== key) say('an event stands on its own subject', stored.event.subject);
    for (const check of [...EVENT_CHECKS, firing]) check(stored, history[index - 1], say);
  }
  onlyTheHolderWrites(history, complain);
  eachCauseOnce(history, complain);
}

const EVENT_CHECKS: readonly EventCheck[] = [
  ({ event: { type, data } }, before, complain) => {
    if ((EVENT_KINDS[type]!.at === 'first') !== (before === undefined)) complain('a run is started once, by its first event', type);
    const expected = (before?.event.data.revision ?? 0) + 1;
    if (data.revision !== expected) complain('revisions count up without gaps', `expected ${expected}`);
  },
  ({ event: { data } }, before, complain) => {
    const expected = before === undefined ? null : createHash('sha256').update(before.bytes).digest('hex');
    if (data.previous !== expected) complain('the hash chain is whole', `previous is ${data.previous}, expected ${expected}`);
  },
  ({ event: { data } }, before, complain) => {
    const from = before === undefined ? null : before.event.data.to;
    if (data.from !== from) complain('from is where the run was', `from is ${data.from}, the run was in ${from}`);
    const to = inWords(data.snapshot.value);
    if (data.to !== to) complain('to is where the snapshot is', `to is ${data.to}, the snapshot is in ${to}`);
  },
  ({ event: { type, data } }, before, complain) => {
    const kind = EVENT_KINDS[type]!;
    const final = isFinal(data.snapshot);
    if (kind.final !== 'perhaps' && (kind.final === 'always') !== final) complain('the last event says that the run is final', type);
    const again = kind.at === 'later' && kind.hears === 'the beginning';
    if (before !== undefined && isFinal(before.event.data.snapshot) !== again)
      complain(again ? 'only what has ended begins anew' : 'nothing follows the end of a run', type);
    if (again && before?.event.data.outcome === 'succeeded') complain('what went well does not begin anew', type);
    if ((data.event !== undefined) !== (kind.hears !== false)) complain('an event says what was heard', JSON.stringify(data.event));
    if (!kind.hears && !kind.mapped && !isDeepStrictEqual(data.snapshot, before?.event.data.snapshot)) {
      complain('a take-over changes nothing', 'the snapshot is another one');
    }
    const outcome = outcomeOf(data.snapshot);
    if (data.outcome !== outcome) complain('the outcome is the final state', `${data.outcome}, the snapshot says ${outcome}`);
  },
  ({ event: { type, time, data } }, before, complain) => {
    const first = before?.event.data;
    if (data.startedAt !== (first === undefined ? time : first.startedAt)) complain('startedAt stays what it was', data.startedAt);
    const mayChange = type === 'almanac.run.adopted' || type === 'almanac.run.restarted';
    if (first !== undefined && !mayChange && data.definition !== first.definition) complain('a run keeps its definition', data.definition);
  },
  ({ event: { data } }, before, complain) => {
    const last = before?.event.data.snapshot;
    if (last === undefined) return;
    const known = new Set(visitsIn(last));
    const used = visitsIn(data.snapshot).filter((visit) => !known.has(visit) && visit <= last.visits);
    if (used.length > 0 || data.snapshot.visits < last.visits)
      complain('visits go on counting', `${used} again, the run has had ${last.visits} and says ${data.snapshot.visits}`);
  },
  ({ event }, before, complain) => {
    const { cause } = event.data;
    const asked = before?.event.data.snapshot;
    if ('activity' in cause) {
      const activity = asked?.activities?.[cause.activity];
      if (activity?.visit !== cause.visit || activity.finished)
        complain('a result answers an activity that was asked for', `${cause.activity} of visit ${cause.visit}`);
    } else if ('timer' in cause && asked?.timers?.[cause.timer]?.visit !== cause.visit)
      complain('a timer that fires was armed', `${cause.timer} of visit ${cause.visit}`);
  },
];

function timerWasDue({ event }: Stored, before: Stored | undefined, clocksSetBack: ReadonlySet<string>, complain: Complain): void {
  const { cause } = event.data;
  if (!('timer' in cause) || clocksSetBack.has(event.source)) return;
  const dueAt = before?.event.data.snapshot.timers?.[cause.timer]?.dueAt;
  if (dueAt !== undefined && Date.parse(event.time) < dueAt)
    complain('no timer fires early', `${cause.timer}, ${dueAt - Date.parse(event.time)} ms`);
}

/**
 * Who took a run over is the one who writes to it, until somebody else takes it over or it is parked; only signals come from anybody. Who
 * begins a run because of a signal, while its start command still waits, does not hold it: that has been delivered to nobody.
 */
function onlyTheHolderWrites(history: readonly Stored[], complain: Complain): void {
  let holder: LoggedEvent | undefined;
  for (const [index, { event, sequence }] of history.entries()) {
    const kind = causeKind(event);
    const before = history[index - 1]?.event.data;
    const { lease } = event.data;
    if (kind === 'signal') {
      const left = before?.parked === undefined ? before?.lease : { ...before.lease, command: 0, delivery: 0 };
      if (!isDeepStrictEqual(lease, left))
        complain('a signal leaves a run with its holder', `${JSON.stringify(lease)} at ${sequence}, it was ${JSON.stringify(left)}`);
      continue;
    }
    if (kind === 'holder') {
      const queued = before === undefined && lease.delivery === 0;
      const expected = queued ? 0 : (before?.lease.term ?? 0) + 1;
      if (lease.term !== expected) complain('terms count who took over', `term ${lease.term} at ${sequence}, expected ${expected}`);
      holder = queued || event.data.parked !== undefined ? undefined : event;
      continue;
    }
    if (event.source !== holder?.source)
      complain('only the holder writes', `revision ${event.data.revision} at ${sequence} is by ${event.source}, held by ${holder?.source}`);
    else if (!isDeepStrictEqual(lease, holder.data.lease))
      complain(
        'a holder has one lease',
        `revision ${event.data.revision} at ${sequence}: ${JSON.stringify(lease)} and ${JSON.stringify(holder.data.lease)}`,
      );
    if (event.data.parked !== undefined) holder = undefined;
  }
}

/** An activity has one result and a timer fires once, for each time it was asked for; a signal is heard once. */
function eachCauseOnce(history: readonly Stored[], complain: Complain): void {
  const seen = new Set<string>();
  for (const { event, sequence } of history) {
    const kind = causeKind(event);
    if (kind === 'holder' && event.type !== 'almanac.run.restarted') continue; // a command is delivered again, and its run taken over
    const cause = JSON.stringify(event.data.cause);
    if (seen.has(cause)) complain('no transition twice', `${cause} again at ${sequence}`);
    seen.add(cause);
  }
}

function visitsIn({ activities = {}, timers = {} }: LoggedSnapshot): number[] {
  return [...Object.values(activities), ...Object.values(timers)].map(({ visit }) => visit);
}

function outcomeOf({ status, value }: LoggedSnapshot): string | undefined {
  if (status === 'active') return undefined;
  if (status === 'stopped') return 'cancelled';
  if (status === 'error') return 'failed';
  return typeof value === 'string' ? value : 'done';
}

const isFinal = (snapshot: LoggedSnapshot): boolean => snapshot.status !== 'active';

/** `running.download`; regions side by side: `working.(fetch.running|audit.idle)`. */
function inWords(value: StateValue): string {
  if (typeof value === 'string') return value;
  const parts: string[] = [];
  for (const [key, below] of Object.entries(value)) {
    const rest = below === undefined ? '' : inWords(below);
    parts.push(rest === '' ? key : `${key}.${rest}`);
  }
  return parts.length === 1 ? parts[0]! : `(${parts.join('|')})`;
}
