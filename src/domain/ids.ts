/** Branded identities and instants. Text becomes one of these at the edge, once; inside, it is trusted. */
import { InvalidIdError } from './errors.ts';

type Brand<Base, Name extends string> = Base & { readonly __brand: Name };

/** Name of a statechart in the registry, e.g. `vault-sync`. A safe subject token. */
export type JobTypeId = Brand<string, 'JobTypeId'>;
/** One execution. Unique within its job type. A safe subject token. */
export type RunId = Brand<string, 'RunId'>;
export type ScheduleId = Brand<string, 'ScheduleId'>;
/** Milliseconds since the Unix epoch, UTC. */
export type Instant = Brand<number, 'Instant'>;
/** Stream sequence of the last event of a subject: what the next append expects. 0 when the subject has no event. */
export type Sequence = Brand<number, 'Sequence'>;

/** No dots, spaces or wildcards: an id is always exactly one token of a NATS subject (DESIGN §4). */
const SAFE_TOKEN = /^[a-z0-9][a-z0-9_-]*$/;
/** Longest id accepted: keeps every subject far below the server's limit of 4 KiB for a protocol line. */
export const MAX_ID_LENGTH = 128;

export const isSafeToken = (text: string): boolean => text.length <= MAX_ID_LENGTH && SAFE_TOKEN.test(text);

function parseToken(kind: string, text: string): string {
  if (!isSafeToken(text)) throw new InvalidIdError(kind, text);
  return text;
}

/** @throws {InvalidIdError} Not `[a-z0-9][a-z0-9_-]*` of at most {@link MAX_ID_LENGTH} characters. Choose another id. */
export const jobTypeId = (text: string): JobTypeId => parseToken('job type', text) as JobTypeId;
/** @throws {InvalidIdError} as {@link jobTypeId} */
export const runId = (text: string): RunId => parseToken('run id', text) as RunId;
/** @throws {InvalidIdError} as {@link jobTypeId} */
export const scheduleId = (text: string): ScheduleId => parseToken('schedule id', text) as ScheduleId;

/** @throws {TypeError} Not a whole number of milliseconds. */
export function instant(epochMs: number): Instant {
  if (!Number.isSafeInteger(epochMs)) throw new TypeError(`not an instant in whole milliseconds: ${epochMs}`);
  return epochMs as Instant;
}

const texts = new Map<Instant, string>();
const MOST_TEXTS = 256;

/** ISO 8601, UTC, with milliseconds. Under load a few instants are written again and again. */
export function isoTime(at: Instant): string {
  let text = texts.get(at);
  if (text === undefined) {
    text = new Date(at).toISOString();
    if (texts.size === MOST_TEXTS) texts.clear();
    texts.set(at, text);
  }
  return text;
}

/** Identity makes repeats harmless (invariant 5): the same occurrence always names the same run, e.g. `vault-sync-20261123t030000z`. */
export function scheduledRunId(schedule: ScheduleId, dueAt: Instant): RunId {
  const stamp = new Date(dueAt)
    .toISOString()
    .replace(/\.000Z$/, 'Z')
    .replace(/[-:.]/g, '')
    .toLowerCase();
  return runId(`${schedule}-${stamp}`);
}
