/** What a command makes of a schedule. */
import { InvalidCommandError, InvalidScheduleError } from '../errors.ts';
import { type Instant, MAX_ID_LENGTH, type RunId, type ScheduleId } from '../ids.ts';
import type { Actor } from '../run-event.ts';
import { type DueFacts, decideRest, decideTriggered, type Verdict } from './due.ts';
import { parseTiming } from './parse-timing.ts';
import { type CatchUp, DEFAULT_CATCH_UP, DEFAULT_OVERLAP, type ScheduleSpec, type ScheduleState } from './schedule.ts';
import type { ScheduleCommand, SpecChange } from './schedule-command.ts';
import type { ScheduleEventType } from './schedule-event.ts';

export interface ChangeFacts extends DueFacts {
  readonly id: ScheduleId;
  /** For a schedule that names none. */
  readonly timeZone: string;
  readonly owner: ScheduleState['owner'];
  /** For a run that is triggered without a key: the same whoever carries the command out. */
  readonly triggeredRun: RunId;
}
export interface Change extends Verdict {
  readonly type: ScheduleEventType;
}

/** So that a run that was put off is started whenever somebody is there again. */
const ONE_SHOT_WINDOW_MS = 366 * 24 * 3_600_000;
/** A scheduled run is named after its schedule and `-20261123t030000123z`. */
const LONGEST_ID = MAX_ID_LENGTH - 20;

/**
 * Undefined: it is so already.
 * @throws {InvalidCommandError} There is no such schedule (SCHEDULE_UNKNOWN), it is another one than whoever sent the command knows
 * (SCHEDULE_CONFLICT), or what it is to be cannot be (COMMAND_INVALID).
 * @throws {InvalidScheduleError} Its time cannot be.
 */
export function changeSchedule(
  before: ScheduleState | undefined,
  command: Exclude<ScheduleCommand, { do: 'backfill' }>,
  facts: ChangeFacts,
): Change | undefined {
  if (command.do === 'create') return create(before, command.spec, facts);
  const state = known(before, facts.id);
  if ('revision' in command && command.revision !== undefined && command.revision !== state.revision) {
    throw new InvalidCommandError(
      'SCHEDULE_CONFLICT',
      `schedule ${facts.id}: it has revision ${state.revision}, the command is for ${command.revision}: look at it again`,
    );
  }
  switch (command.do) {
    case 'update':
      return update(state, command.spec, facts);
    case 'pause':
      return state.status === 'active' ? pause(state, command, facts.now) : undefined;
    case 'resume':
      return state.status === 'paused' ? resume(state, facts.now) : undefined;
    case 'delete':
      return remove(state, facts);
    case 'trigger': {
      const runId = command.key ?? facts.triggeredRun;
      const verdict = decideTriggered(state, facts, { dueAt: facts.now, runId, triggered: true }, command.overlap ?? 'allow-all');
      if (verdict !== undefined) return { type: 'almanac.schedule.triggered', ...verdict };
      throw new InvalidCommandError(
        'SCHEDULE_CONFLICT',
        `schedule ${facts.id}: run ${state.running.at(-1)?.runId} has not ended: wait for it, or choose another overlap`,
      );
    }
  }
}

function create(before: ScheduleState | undefined, change: SpecChange, facts: ChangeFacts): Change | undefined {
  const { id, now, owner } = facts;
  const spec = specOf(undefined, change, facts);
  if (spec.runId === undefined && id.length > LONGEST_ID) {
    throw new InvalidScheduleError(
      `its id has ${id.length} characters; ${LONGEST_ID} are allowed, because the ids of its runs begin with it`,
    );
  }
  const exists = before !== undefined && before.status !== 'deleted';
  if (exists && JSON.stringify(before.spec) === JSON.stringify(spec)) return undefined;
  if (exists) throw new InvalidCommandError('SCHEDULE_CONFLICT', `schedule ${id} exists already: update it, or choose another id`);
  const { trigger } = spec.timing;
  // What a schedule of that name has decided before it was deleted stays decided, though this clock may be behind.
  const since = Math.max(now, before?.decidedUntil ?? now) as Instant;
  const state: ScheduleState = {
    id,
    spec,
    revision: (before?.revision ?? 0) + 1,
    owner,
    status: 'active',
    decidedUntil: trigger.kind === 'once' ? (Math.min(since, trigger.at - 1) as Instant) : since,
    waiting: [],
    running: [],
    failures: 0,
  };
  return { type: 'almanac.schedule.created', state, entries: [], stretches: [], effects: [] };
}

/** What was due under the old spec is decided under it. */
function update(before: ScheduleState, change: SpecChange, facts: ChangeFacts): Change | undefined {
  const spec = specOf(before.spec, change, facts);
  const owner = facts.owner === 'operator' ? 'operator' : before.owner;
  if (owner === before.owner && JSON.stringify(before.spec) === JSON.stringify(spec)) return undefined;
  const { state, ...verdict } = decideRest(before, facts, 'changed');
  const { trigger } = spec.timing;
  const decidedUntil = trigger.kind === 'once' ? (Math.min(state.decidedUntil, trigger.at - 1) as Instant) : state.decidedUntil;
  const status = state.status === 'finished' ? 'active' : state.status;
  const running = spec.jobType === before.spec.jobType ? state.running : []; // another job's runs are in nobody's way
  return {
    type: 'almanac.schedule.updated',
    ...verdict,
    state: { ...state, spec, owner, status, running, decidedUntil, revision: before.revision + 1 },
  };
}

function pause(before: ScheduleState, { note, actor }: { note?: string | undefined; actor?: Actor | undefined }, now: Instant): Change {
  const state: ScheduleState = { ...before, status: 'paused', pause: { since: now, ...(actor && { actor }), ...(note && { note }) } };
  return { type: 'almanac.schedule.paused', state, entries: [], stretches: [], effects: [] };
}

function resume({ pause: over, ...before }: ScheduleState, now: Instant): Change {
  const paused = over && { since: over.since, until: Math.max(now, over.since) as Instant };
  const state: ScheduleState = { ...before, status: 'active', ...(paused && { paused }) };
  return { type: 'almanac.schedule.resumed', state, entries: [], stretches: [], effects: [] };
}

function remove(before: ScheduleState, facts: ChangeFacts): Change {
  const { state, ...verdict } = decideRest(before, facts, 'deleted');
  return {
    type: 'almanac.schedule.deleted',
    ...verdict,
    state: { ...state, status: 'deleted', owner: facts.owner === 'operator' ? 'operator' : before.owner },
  };
}

function known(state: ScheduleState | undefined, id: ScheduleId): ScheduleState {
  if (state !== undefined && state.status !== 'deleted') return state;
  throw new InvalidCommandError('SCHEDULE_UNKNOWN', `there is no schedule ${id}${state ? ' any more: it was deleted' : ''}`);
}

/** @throws {InvalidCommandError} Nothing says which job type, or when. */
function specOf(before: ScheduleSpec | undefined, change: SpecChange, facts: Pick<ChangeFacts, 'id' | 'timeZone'>): ScheduleSpec {
  const jobType = change.jobType ?? before?.jobType;
  if (jobType === undefined) throw new InvalidCommandError('COMMAND_INVALID', `schedule ${facts.id} needs a job type`);
  if (change.timing === undefined && before === undefined) {
    throw new InvalidCommandError('COMMAND_INVALID', `schedule ${facts.id} needs a timing: "cron", "everyMs" or "at"`);
  }
  const timing = change.timing === undefined ? before!.timing : timingOf(change.timing, facts);
  const windowMs = timing.trigger.kind === 'once' ? ONE_SHOT_WINDOW_MS : DEFAULT_CATCH_UP.windowMs;
  const pick = <Key extends keyof ScheduleSpec>(key: Key & keyof SpecChange, otherwise: ScheduleSpec[Key]): ScheduleSpec[Key] => {
    const wanted = change[key] as ScheduleSpec[Key] | null | undefined;
    return wanted === null ? otherwise : (wanted ?? before?.[key] ?? otherwise);
  };
  const runId = change.runId ?? before?.runId;
  const description = change.description === null ? undefined : (change.description ?? before?.description);
  return {
    jobType,
    timing,
    input: change.input === undefined ? (before?.input ?? {}) : change.input,
    lane: pick('lane', 'normal'),
    catchUp:
      change.catchUp === null
        ? { ...DEFAULT_CATCH_UP, windowMs }
        : ({ ...DEFAULT_CATCH_UP, windowMs, ...before?.catchUp, ...stated(change.catchUp ?? {}) } as CatchUp),
    overlap: pick('overlap', DEFAULT_OVERLAP),
    pauseAfterFailures: pick('pauseAfterFailures', 0),
    ...(runId && { runId }),
    ...(description && { description }),
  };
}

function timingOf(written: object, { id, timeZone }: Pick<ChangeFacts, 'id' | 'timeZone'>): ScheduleSpec['timing'] {
  try {
    return parseTiming(written, { timeZone });
  } catch (cause) {
    throw cause instanceof InvalidScheduleError ? new InvalidScheduleError(`schedule ${id}: ${cause.message}`, { cause }) : cause;
  }
}

const stated = <Fields extends object>(fields: Fields): Partial<Fields> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<Fields>;
