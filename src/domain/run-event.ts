/**
 * The facts of a run as they stand in the log: CloudEvents 1.0, structured JSON, one message a decision.
 * https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
 */
import { z } from 'zod';
import { CorruptEventError } from './errors.ts';
import { isSafeToken, type JobTypeId, type RunId } from './ids.ts';
import type { Lane } from './job-type.ts';
import type { Parked } from './parking.ts';
import type { RunPolicy } from './run-policy.ts';
import type { Snapshot } from './statechart/snapshot.ts';

export const RUN_EVENT_TYPES = [
  'almanac.run.started',
  'almanac.run.transitioned',
  'almanac.run.resumed',
  'almanac.run.adopted',
  'almanac.run.finished',
  'almanac.run.restarted',
] as const;
export type RunEventType = (typeof RUN_EVENT_TYPES)[number];

/** Who asked for it, and why; in people's words. */
export const Actor = z.strictObject({ who: z.string().min(1).max(256), why: z.string().max(1024).optional() });
export type Actor = z.output<typeof Actor>;

/** What led to a decision: a command message, by its place in the COMMANDS stream, or what the run's own activity or timer came to. */
export type Cause =
  | { readonly command: number }
  | { readonly activity: string; readonly visit: number }
  | { readonly timer: string; readonly visit: number };

/** The start command whose unacknowledged message owns the run, and which delivery of it to whom (invariant 4). */
export interface LeaseMark {
  readonly command: number;
  /** 0: it has not been delivered to a holder yet. */
  readonly delivery: number;
  /**
   * Counts who took the run over: 1 for whoever started it, 0 while nobody has. The fencing token of the run: a server that crashed, or a
   * consumer made anew, may count deliveries from one again.
   */
  readonly term: number;
  /** Where the run goes on when it is left; absent for `normal`. */
  readonly lane?: Lane;
}

export const leaseMark = ({ lane, ...mark }: LeaseMark & { readonly lane: Lane }): LeaseMark =>
  lane === 'normal' ? mark : { ...mark, lane };

/** The run that started this one, and is told of its end. */
export const Parent = z.strictObject({
  jobType: z
    .string()
    .refine(isSafeToken)
    .transform((text) => text as JobTypeId),
  runId: z
    .string()
    .refine(isSafeToken)
    .transform((text) => text as RunId),
});
export type Parent = z.output<typeof Parent>;

export interface RunEventData {
  /** 1 for the first event of the run, then counting up without gaps. */
  readonly revision: number;
  /** What the statechart heard; absent on `resumed`, which changes nothing but the holder, and on `adopted`, which was mapped. */
  readonly event?: { readonly type: string; readonly [field: string]: unknown };
  readonly from: string | null;
  readonly to: string;
  readonly cause: Cause;
  readonly lease: LeaseMark;
  /** Nobody holds the run any more; it is woken at that time, or by a signal. */
  readonly parked?: Parked;
  readonly actor?: Actor | undefined;
  /** Repeated on every event. */
  readonly parent?: Parent;
  /** Parsed input of the run; on `started` and `restarted` only. */
  readonly input?: unknown;
  /** The time limits and retries the run started with; on `started` and `restarted` only. */
  readonly policy?: RunPolicy;
  /** ISO 8601, UTC; repeated on every event, so that the last one is enough. A restart does not change it. */
  readonly startedAt: string;
  /** On `finished`, or `started` when the statechart ends at once. */
  readonly outcome?: string;
  readonly snapshot: Snapshot;
  /** Hash of the statechart's structure the run is on from this event; only `adopted` changes it (invariant 9). */
  readonly definition: string;
  /** {@link hashOfEvent} of the previous event of this subject; null on the first. */
  readonly previous: string | null;
}

export interface RunEvent {
  readonly specversion: '1.0';
  readonly id: string;
  /** The process that decided, e.g. `/almanac/host-4711`. */
  readonly source: string;
  readonly type: RunEventType;
  /** `<jobType>/<runId>` */
  readonly subject: string;
  /** The instant the decision was made; the fold replays with it. */
  readonly time: string;
  readonly datacontenttype: 'application/json';
  /** W3C trace context of the run. */
  readonly traceparent?: string;
  readonly data: RunEventData;
}

/** The whole event, snapshot included, must stay below this: state is small, large results are artifacts (DESIGN §5). */
export const MAX_RUN_EVENT_BYTES = 64 * 1024;

export const cloudEventSubject = (jobType: JobTypeId, run: RunId) => `${jobType}/${run}`;

/**
 * The part of a stored event that the runtime relies on. Anything else in it is for people. Checked once, when an event is loaded to be
 * built upon; bulk readers may cast, because the log only holds what this code wrote.
 */
const StoredRunEvent = z.looseObject({
  specversion: z.literal('1.0'),
  id: z.string(),
  type: z.enum(RUN_EVENT_TYPES),
  time: z.iso.datetime(),
  data: z.looseObject({
    revision: z.int().min(1),
    to: z.string(),
    lease: z.object({ command: z.int(), delivery: z.int(), term: z.int() }),
    parked: z.object({ until: z.iso.datetime().nullable() }).optional(),
    startedAt: z.iso.datetime(),
    definition: z.string(),
    previous: z.string().nullable(),
    snapshot: z.looseObject({ status: z.enum(['active', 'done', 'error', 'stopped']), visits: z.int() }),
  }),
});

const decoder = new TextDecoder('utf-8', { fatal: true });

/** @throws {CorruptEventError} The bytes are not a run event of this format. The history needs a person: see the message. */
export function parseRunEvent(bytes: Uint8Array): RunEvent {
  try {
    const event: unknown = JSON.parse(decoder.decode(bytes));
    StoredRunEvent.parse(event); // its result has the keys in another order, and the snapshot has to stay what it is to the byte
    return event as RunEvent;
  } catch (cause) {
    throw new CorruptEventError(bytes, { cause });
  }
}

const bulkDecoder = new TextDecoder();

/** For reading the log in bulk: looks only whether it is a run event at all; undefined when it is not. */
export function readRunEvent(bytes: Uint8Array): RunEvent | undefined {
  try {
    const event = JSON.parse(Buffer.isBuffer(bytes) ? bytes.toString() : bulkDecoder.decode(bytes)) as Partial<RunEvent> | null;
    return event?.data?.snapshot === undefined ? undefined : (event as RunEvent);
  } catch {
    return undefined;
  }
}
