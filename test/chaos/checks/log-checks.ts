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
    if (before !== undefined && isFinal(before.event.data.snapshot)) complain('nothing follows the end of a run', type);
    if ((data.event !== undefined) !== kind.hears) complain('an event says what was heard', JSON.stringify(data.event));
    if (!kind.hears && !isDeepStrictEqual(data.snapshot, before?.event.data.snapshot)) {
      complain('a take-over changes nothing', 'the snapshot is another one');
    }
    const outcome = final && typeof data.snapshot.value === 'string' ? data.snapshot.value : undefined;
    if (data.outcome !== outcome) complain('the outcome is the final state', `${data.outcome}, the snapshot says ${outcome}`);
  },
  ({ event: { time, data } }, before, complain) => {
    const first = before?.event.data;
    if (data.startedAt !== (first === undefined ? time : first.startedAt)) complain('startedAt stays what it was', data.startedAt);
    if (first !== undefined && data.definition !== first.definition) complain('a run keeps its definition', data.definition);
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

/** Who took a run over is the one who writes to it, until somebody else takes it over; only signals come from anybody. */
function onlyTheHolderWrites(history: readonly Stored[], complain: Complain): void {
  let holder: LoggedEvent | undefined;
  for (const { event, sequence } of history) {
    const kind = causeKind(event);
    if (kind === 'signal') continue;
    if (kind === 'holder') {
      const expected = (holder?.data.lease.term ?? 0) + 1;
      if (event.data.lease.term !== expected)
        complain('terms count who took over', `term ${event.data.lease.term} at ${sequence}, expected ${expected}`);
      holder = event;
      continue;
    }
    const { lease } = event.data;
    if (event.source !== holder?.source)
      complain('only the holder writes', `revision ${event.data.revision} at ${sequence} is by ${event.source}, held by ${holder?.source}`);
    else if (!isDeepStrictEqual(lease, holder.data.lease))
      complain(
        'a holder has one lease',
        `revision ${event.data.revision} at ${sequence}: ${JSON.stringify(lease)} and ${JSON.stringify(holder.data.lease)}`,
      );
  }
}

/** An activity has one result and a timer fires once, for each time it was asked for. */
function eachCauseOnce(history: readonly Stored[], complain: Complain): void {
  const seen = new Set<string>();
  for (const { event, sequence } of history) {
    const kind = causeKind(event);
    if (kind === 'holder') continue;
    const cause = JSON.stringify(event.data.cause);
    if (seen.has(cause)) complain('no transition twice', `${cause} again at ${sequence}`);
    seen.add(cause);
  }
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
