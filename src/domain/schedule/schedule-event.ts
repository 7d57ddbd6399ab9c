/**
 * The facts of a schedule as they stand in the log on `evt.schedule.<id>`: CloudEvents 1.0, structured JSON, one message a decision. Each
 * carries the whole state, so the last one is enough; instants are ISO 8601 in UTC.
 */
import { z } from 'zod';
import { CorruptEventError } from '../errors.ts';
import { type Instant, instant, isoTime, isSafeToken, type JobTypeId, type RunId, type ScheduleId } from '../ids.ts';
import { LANES } from '../job-type.ts';
import { Actor } from '../run-event.ts';
import type { ScheduleEffect } from './due.ts';
import { type Entry, FATES, RULES, type Stretch } from './ledger.ts';
import { type Occurrence, OVERLAPS, type ScheduleState } from './schedule.ts';
import type { Timing, Trigger } from './timing.ts';

export const SCHEDULE_EVENT_TYPES = [
  'almanac.schedule.created',
  'almanac.schedule.updated',
  'almanac.schedule.paused',
  'almanac.schedule.resumed',
  'almanac.schedule.deleted',
  'almanac.schedule.triggered',
  'almanac.schedule.backfilled',
  /** Occurrences were decided. */
  'almanac.schedule.decided',
  /** As `decided`, and there will never be another one. */
  'almanac.schedule.finished',
] as const;
export type ScheduleEventType = (typeof SCHEDULE_EVENT_TYPES)[number];

/** Of the event that says what became of due occurrences, by what the schedule is after it. */
export function dueEventType({ status }: Pick<ScheduleState, 'status'>): ScheduleEventType {
  if (status === 'paused') return 'almanac.schedule.paused';
  return status === 'finished' ? 'almanac.schedule.finished' : 'almanac.schedule.decided';
}

const At = z.iso.datetime().transform((text) => instant(Date.parse(text)));
const token = <Id extends string>() => z.custom<Id>((text) => typeof text === 'string' && isSafeToken(text));
const Milliseconds = z.int().min(0);

const StoredTiming = z.object({
  trigger: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('cron'), cron: z.string() }),
    z.object({ kind: z.literal('interval'), everyMs: z.int().min(1), anchor: At }),
    z.object({ kind: z.literal('once'), at: At }),
  ]),
  timeZone: z.string(),
  dst: z.object({ gap: z.enum(['run-after', 'skip']), overlap: z.enum(['first', 'second', 'both']) }),
  startAt: At.exactOptional(),
  endAt: At.exactOptional(),
  exclusions: z.array(z.string()),
  jitterMs: Milliseconds,
});
const StoredSpec = z.object({
  jobType: token<JobTypeId>(),
  timing: StoredTiming,
  input: z.unknown(),
  lane: z.enum(LANES),
  catchUp: z.object({ policy: z.enum(['none', 'latest', 'all']), windowMs: Milliseconds, cap: z.int().min(1), dripMs: Milliseconds }),
  overlap: z.enum(OVERLAPS),
  pauseAfterFailures: z.int().min(0),
  runId: token<RunId>().exactOptional(),
  description: z.string().exactOptional(),
});
const StoredOccurrence = z.object({ dueAt: At, runId: token<RunId>(), triggered: z.literal(true).exactOptional() });
const StoredState = z.object({
  id: token<ScheduleId>(),
  spec: StoredSpec,
  revision: z.int().min(1),
  owner: z.enum(['code', 'operator']),
  status: z.enum(['active', 'paused', 'finished', 'deleted']),
  pause: z.object({ since: At, actor: Actor.exactOptional(), note: z.string().exactOptional() }).exactOptional(),
  paused: z.object({ since: At, until: At }).exactOptional(),
  decidedUntil: At,
  notBefore: At.exactOptional(),
  waiting: z.array(StoredOccurrence),
  running: z.array(StoredOccurrence),
  failures: z.int().min(0),
});
const StoredEntry = z.object({
  dueAt: At,
  fate: z.enum(FATES),
  rule: z.enum(RULES),
  lateMs: z.int(),
  runId: token<RunId>().exactOptional(),
  because: token<RunId>().exactOptional(),
});
const StoredStretch = z.object({
  from: At,
  to: At,
  fate: z.enum(['missed', 'paused', 'coalesced']),
  rule: z.enum(RULES),
  because: token<RunId>().exactOptional(),
});
const StoredEffect = z.discriminatedUnion('type', [
  z.object({ type: z.literal('start'), occurrence: StoredOccurrence, lane: z.enum(LANES).exactOptional() }),
  z.object({ type: z.literal('cancel'), runId: token<RunId>() }),
]);
const StoredData = z.object({
  actor: Actor.exactOptional(),
  command: z.int().exactOptional(),
  entries: z.array(StoredEntry),
  stretches: z.array(StoredStretch),
  effects: z.array(StoredEffect),
  state: StoredState,
  previous: z.string().nullable(),
});
const StoredScheduleEvent = z.looseObject({
  specversion: z.literal('1.0'),
  id: z.string(),
  source: z.string(),
  type: z.enum(SCHEDULE_EVENT_TYPES),
  time: z.iso.datetime(),
  data: StoredData,
});

export interface ScheduleEventData {
  readonly actor?: Actor;
  /** Of whoever changed it: place in the COMMANDS stream. */
  readonly command?: number;
  readonly entries: readonly Entry[];
  readonly stretches: readonly Stretch[];
  /** What was to be done once this was stored. Nobody appends the next event before it is done. */
  readonly effects: readonly ScheduleEffect[];
  readonly state: ScheduleState;
  /** {@link hashOfEvent} of the previous event of this subject; null on the first. */
  readonly previous: string | null;
}
export interface ScheduleEvent {
  readonly id: string;
  /** The process that decided. */
  readonly source: string;
  readonly type: ScheduleEventType;
  /** When the decision was made. */
  readonly at: Instant;
  readonly data: ScheduleEventData;
}

export function scheduleEventBytes({ id, source, type, at, data }: ScheduleEvent): Buffer {
  return Buffer.from(
    JSON.stringify({
      specversion: '1.0',
      id,
      source,
      type,
      subject: `schedule/${data.state.id}`,
      time: isoTime(at),
      datacontenttype: 'application/json',
      data: written(data),
    }),
  );
}

/** The opposite of {@link StoredData}. Written out, because the library takes ten times as long, and every occurrence of all schedules waits. */
function written({ entries, stretches, effects, state, ...data }: ScheduleEventData): object {
  return {
    ...data,
    entries: entries.map((entry) => ({ ...entry, dueAt: isoTime(entry.dueAt) })),
    stretches: stretches.map((stretch) => ({ ...stretch, from: isoTime(stretch.from), to: isoTime(stretch.to) })),
    effects: effects.map((effect) => (effect.type === 'start' ? { ...effect, occurrence: writtenOccurrence(effect.occurrence) } : effect)),
    state: writtenState(state),
  };
}

const writtenState = ({ spec, pause, paused, decidedUntil, notBefore, waiting, running, ...state }: ScheduleState): object => ({
  ...state,
  spec: { ...spec, timing: writtenTiming(spec.timing) },
  pause: pause && { ...pause, since: isoTime(pause.since) },
  paused: paused && { since: isoTime(paused.since), until: isoTime(paused.until) },
  decidedUntil: isoTime(decidedUntil),
  notBefore: notBefore === undefined ? undefined : isoTime(notBefore),
  waiting: waiting.map(writtenOccurrence),
  running: running.map(writtenOccurrence),
});

const writtenTiming = ({ trigger, startAt, endAt, ...timing }: Timing): object => ({
  ...timing,
  trigger: writtenTrigger(trigger),
  startAt: startAt === undefined ? undefined : isoTime(startAt),
  endAt: endAt === undefined ? undefined : isoTime(endAt),
});

function writtenTrigger(trigger: Trigger): object {
  if (trigger.kind === 'cron') return trigger;
  return trigger.kind === 'once' ? { ...trigger, at: isoTime(trigger.at) } : { ...trigger, anchor: isoTime(trigger.anchor) };
}

const writtenOccurrence = (occurrence: Occurrence): object => ({ ...occurrence, dueAt: isoTime(occurrence.dueAt) });

const decoder = new TextDecoder('utf-8', { fatal: true });

/** @throws {CorruptEventError} Not an event of ours: somebody else wrote it. */
export function parseScheduleEvent(bytes: Uint8Array): ScheduleEvent {
  try {
    const { id, source, type, time, data } = StoredScheduleEvent.parse(JSON.parse(decoder.decode(bytes)));
    return { id, source, type, at: instant(Date.parse(time)), data };
  } catch (cause) {
    throw new CorruptEventError(bytes, { cause });
  }
}
