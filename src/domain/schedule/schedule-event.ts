/**
 * The facts of a schedule as they stand in the log on `evt.schedule.<id>`: CloudEvents 1.0, structured JSON, one message a decision. Each
 * carries the whole state, so the last one is enough; instants are ISO 8601 in UTC.
 */
import { z } from 'zod';
import { CorruptEventError } from '../errors.ts';
import { type Instant, instant, isSafeToken, type JobTypeId, type RunId, type ScheduleId } from '../ids.ts';
import { LANES } from '../job-type.ts';
import { Actor } from '../run-event.ts';
import { FATES, RULES } from './ledger.ts';
import { OVERLAPS } from './schedule.ts';

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

const At = z.codec(z.iso.datetime(), z.custom<Instant>(), {
  decode: (text) => instant(Date.parse(text)),
  encode: (at, { issues }) => {
    if (Number.isFinite(at)) return new Date(at).toISOString();
    issues.push({ code: 'custom', message: 'is no instant', input: at }); // also of a field that is not there, which may be
    return z.NEVER;
  },
});
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
const StoredData = z.object({
  actor: Actor.exactOptional(),
  /** Of whoever changed it: place in the COMMANDS stream. */
  command: z.int().exactOptional(),
  entries: z.array(StoredEntry),
  stretches: z.array(StoredStretch),
  state: StoredState,
  /** {@link hashOfEvent} of the previous event of this subject; null on the first. */
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

export type ScheduleEventData = z.output<typeof StoredData>;
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
      time: new Date(at).toISOString(),
      datacontenttype: 'application/json',
      data: z.encode(StoredData, data),
    }),
  );
}

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
