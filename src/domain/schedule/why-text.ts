/** The answer to "why?" in plain words, one link of the chain a line. */
import type { Instant, RunId } from '../ids.ts';
import type { Actor } from '../run-event.ts';
import { localText } from './clock-changes.ts';
import type { Rule } from './ledger.ts';
import { standstillText } from './standstill.ts';
import { timingText } from './timing-text.ts';
import type { DecidedAs, MadeBy, Open, PauseThen, Why } from './why.ts';

/** A run that the answer names, as it is now; null: there is no such run. */
export type NamedRun = { readonly state: string; readonly outcome: string | null; readonly endedAt: string | null } | null;

export function whyText(schedule: string, why: Why, runs: ReadonlyMap<RunId, NamedRun>): string[] {
  const { at, inForce, isOccurrence, nearest, triggered, decisions, pauses, open } = why;
  const zone = inForce?.state.spec.timing.timeZone ?? 'UTC';
  const when = (instant: Instant) => shown(zone, instant);
  const lines: string[] = [];
  if (inForce === undefined) lines.push(`${schedule} did not exist at ${when(at)}: it was ${madeText(why.firstKnown, when)}`);
  else {
    const { state, madeBy } = inForce;
    lines.push(
      state.status === 'deleted'
        ? `${schedule} did not exist any more at ${when(at)}: it was ${madeText(madeBy, when)}`
        : `in force at ${when(at)}: revision ${state.revision}, ${timingText(state.spec.timing)}, ${madeText(madeBy, when)}`,
    );
  }
  if (!isOccurrence && inForce !== undefined && inForce.state.status !== 'deleted') {
    const { before, after } = nearest ?? {};
    lines.push(
      `${when(at)} is no occurrence of it: the one before is ${before === undefined ? 'none' : when(before)}, the one after ${after === undefined ? 'none' : when(after)}`,
    );
  }
  for (const decided of decisions) lines.push(...decisionLines(decided, when, runs));
  for (const pause of pauses) {
    if (open === undefined || pause.until !== undefined || pause.of !== pauseThatHolds(open)) lines.push(pauseText(pause, when));
  }
  if (triggered !== undefined) {
    const { occurrence, by } = triggered;
    lines.push(`somebody asked for a run at ${when(occurrence.dueAt)}${whoText(by.actor)}: ${runText(occurrence.runId, runs)}`);
  }
  if (open !== undefined) lines.push(openText(open, when, runs));
  return lines;
}

function decisionLines(decided: DecidedAs, when: (at: Instant) => string, runs: ReadonlyMap<RunId, NamedRun>): string[] {
  const { fate, rule, lateMs, runId, because, at, source, actor, stretch } = decided;
  const late = lateMs === undefined ? '' : `, ${durationText(Math.max(0, lateMs))} after it was due`;
  const lines = [`${fate}: ${RULE_TEXTS[rule]} (rule ${rule})`, `decided at ${when(at)}${late}, by ${source}${whoText(actor)}`];
  if (stretch) lines.push(`together with all others from ${when(stretch.from)} to ${when(stretch.to)}, which were too many to list`);
  if (runId !== undefined) lines.push(runText(runId, runs));
  if (because !== undefined)
    lines.push(`${fate === 'coalesced' || rule === 'superseded' ? 'for it' : 'in its way'}: ${runText(because, runs)}`);
  return lines;
}

const RULE_TEXTS: Readonly<Record<Rule, string>> = {
  'on-time': 'it was started when it was due',
  'catch-up': 'it was found late, within the catch-up window, and started then',
  buffer: 'it waited until the run before it had ended, and was started then',
  coalesce: 'several were found late, and the latest one was started for all of them',
  window: 'it was found later than the catch-up window allows',
  cap: 'more of them waited than the cap on catching up allows, and it was among the oldest',
  overlap: 'the run before it had not ended, and the overlap policy is to skip',
  'buffer-full': 'the run before it had not ended, and there was no place left to wait',
  superseded: 'it waited for the run before it, and a later one took its place',
  pause: 'it was due during a pause, and too late when that was over',
  changed: 'it was not decided yet when the schedule was changed',
  deleted: 'it was not decided yet when the schedule was deleted',
  calendar: 'it is on an excluded day',
  operator: 'a person asked for it',
};

function openText(open: Open, when: (at: Instant) => string, runs: ReadonlyMap<RunId, NamedRun>): string {
  switch (open.kind) {
    case 'future':
      return 'undecided: it is still to come';
    case 'waiting':
      return `undecided: it waits for the run before it${open.behind === undefined ? ', which has ended: it is started in a moment' : `, ${runText(open.behind, runs)}`}`;
    case 'paused': {
      const { since, actor, note } = open.pause;
      return `undecided: the schedule is paused since ${when(since)}${whoText(actor)}${note ? `, note: ${note}` : ''}; it is decided when the schedule is resumed`;
    }
    case 'standstill': {
      const { since, cause, actor, note } = open.standstill;
      return `undecided: ${standstillText({ since: when(since), cause, by: actor?.who, note })}; it is decided then`;
    }
    case 'dripping':
      return `undecided: several are caught up one after the other, the next at ${when(open.until)}`;
    case 'jitter':
      return `undecided: jitter puts it off until ${when(open.until)}`;
    case 'over':
      return open.status === 'deleted'
        ? 'nothing: a schedule that is deleted starts nothing'
        : `nothing: the schedule is ${madeText(open.by, when)}`;
    case 'late':
      return `undecided for ${durationText(open.lateMs)}: no process that runs schedules is there, or it cannot write to the log; almanac start runs one`;
    case 'unrecorded':
      return 'nothing is recorded though it was decided about: check the log with almanac replay --verify';
  }
}

/** Which kind of pause the answer names already. */
const pauseThatHolds = ({ kind }: Open): PauseThen['of'] | undefined =>
  kind === 'paused' ? 'schedule' : kind === 'standstill' ? 'all' : undefined;

function pauseText({ of, since, until, actor, note }: PauseThen, when: (at: Instant) => string): string {
  const who = of === 'all' ? 'all schedules were paused' : 'the schedule was paused';
  return `${who} then, from ${when(since)} ${until === undefined ? 'on' : `to ${when(until)}`}${whoText(actor)}${note ? `, note: ${note}` : ''}`;
}

function runText(id: RunId, runs: ReadonlyMap<RunId, NamedRun>): string {
  const run = runs.get(id);
  if (run === undefined) return `run ${id}`;
  if (run === null) return `run ${id}, which has not begun`;
  if (run.outcome === null) return `run ${id}, which is in state ${run.state}`;
  return `run ${id}, which ended as ${run.outcome}${run.endedAt === null ? '' : ` at ${run.endedAt}`}`;
}

const madeText = ({ type, at, actor }: MadeBy, when: (at: Instant) => string): string => `${type} at ${when(at)}${whoText(actor)}`;
const whoText = (actor: Actor | undefined): string => (actor === undefined ? '' : ` by ${actor.who}${actor.why ? ` (${actor.why})` : ''}`);
const shown = (zone: string, at: Instant): string =>
  `${new Date(at).toISOString().replace('.000Z', 'Z')}${zone === 'UTC' ? '' : ` (${localText(zone, at)})`}`;

/** `3 h 5 min`, at most two units. */
export function durationText(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  let rest = Math.round(ms / 1_000);
  const parts: string[] = [];
  for (const [unit, size] of [
    ['d', 86_400],
    ['h', 3_600],
    ['min', 60],
    ['s', 1],
  ] as const) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0 && parts.length < 2) parts.push(`${count} ${unit}`);
    else if (parts.length > 0) break;
  }
  return parts.join(' ');
}
