/**
 * The facts of a run as they stand in the log: CloudEvents 1.0, structured JSON, one message a decision.
 * https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
 */
import { z } from 'zod';
import { CorruptEventError } from './errors.ts';
import type { JobTypeId, RunId } from './ids.ts';
import type { Snapshot } from './statechart/snapshot.ts';

export const RUN_EVENT_TYPES = ['almanac.run.started', 'almanac.run.transitioned', 'almanac.run.resumed', 'almanac.run.finished'] as const;
export type RunEventType = (typeof RUN_EVENT_TYPES)[number];

/** Who asked for it, and why; in people's words. */
export const Actor = z.strictObject({ who: z.string().min(1).max(256), why: z.string().max(1024).optional() });
export type Actor = z.output<typeof Actor>;

/** What led to a decision: a command message, by its place in the COMMANDS stream, or a result of the run's own activity or timer. */
export type Cause =
  | { readonly command: number }
  | { readonly activity: string; readonly visit: number }
  | { readonly timer: string; readonly visit: number };

/** The start command whose unacknowledged message owns the run, and which delivery of it made this decision (invariant 4). */
export interface LeaseMark {
  readonly command: number;
  readonly delivery: number;
  /**
   * Counts who took the run over: 1 for whoever started it. The fencing token of the run: a server that crashed, or a consumer made anew,
   * may count deliveries from one again.
   */
  readonly term: number;
}

export interface RunEventData {
  /** 1 for the first event of the run, then counting up without gaps. */
  readonly revision: number;
  /** What the statechart heard; absent on `resumed`, which changes nothing but the holder. */
  readonly event?: { readonly type: string; readonly [field: string]: unknown };
  readonly from: string | null;
  readonly to: string;
  readonly cause: Cause;
  readonly lease: LeaseMark;
  readonly actor?: Actor | undefined;
  /** Parsed input of the run; on `started` only. */
  readonly input?: unknown;
  /** ISO 8601, UTC; repeated on every event, so that the last one is enough. */
  readonly startedAt: string;
  /** On `finished`, or `started` when the statechart ends at once. */
  readonly outcome?: string;
  readonly snapshot: Snapshot;
  /** Hash of the statechart's structure the run is on (invariant 9). */
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
