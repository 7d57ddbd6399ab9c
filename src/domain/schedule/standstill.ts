/** All schedules paused at once: by a file in the vault, by the environment, by a person (DESIGN §6). Runs that are on go on. */
import { z } from 'zod';
import { CorruptEventError } from '../errors.ts';
import { type Instant, instant } from '../ids.ts';
import { Actor } from '../run-event.ts';

/** `operator`: a command. It ends by a command alone. `file`: the process that sees the vault without it ends it. */
export const STANDSTILL_CAUSES = ['operator', 'file'] as const;
export type StandstillCause = (typeof STANDSTILL_CAUSES)[number];

export interface Standstill {
  readonly since: Instant;
  readonly cause: StandstillCause;
  /** In plain words, with the way to resume. */
  readonly note?: string;
  readonly actor?: Actor;
}

/** As it stands in every event, so that the last one is enough. */
export interface StandstillState {
  /** Absent: schedules are on. */
  readonly now?: Standstill;
  /** Those that are over, oldest first: what was due meanwhile is told from what was missed. The oldest are forgotten. */
  readonly earlier: readonly { readonly since: Instant; readonly until: Instant }[];
}

export const STANDSTILL_EVENT_TYPES = ['almanac.schedules.paused', 'almanac.schedules.resumed'] as const;
export const NO_STANDSTILL: StandstillState = { earlier: [] };
const MOST_KEPT = 100;

/** Undefined: it is so already. A person's word stands above a file's. */
export function standStill(state: StandstillState, standstill: Standstill): StandstillState | undefined {
  if (state.now !== undefined && (state.now.cause === 'operator' || standstill.cause === 'file')) return undefined;
  return { ...state, now: { ...standstill, since: state.now?.since ?? standstill.since } };
}

/** Undefined: they are on already. */
export function goOn({ now, earlier }: StandstillState, at: Instant): StandstillState | undefined {
  if (now === undefined) return undefined;
  return { earlier: [...earlier, { since: now.since, until: Math.max(at, now.since) as Instant }].slice(-MOST_KEPT) };
}

/** With its end, if it is over. */
export interface RecordedStandstill extends Standstill {
  readonly until?: Instant;
}

/** All there were, oldest first. @param states As the log has them, oldest first. */
export function recordedStandstills(states: readonly StandstillState[]): RecordedStandstill[] {
  const found: RecordedStandstill[] = [];
  for (const { now, earlier } of states) {
    const last = found.at(-1);
    if (last !== undefined && last.until === undefined) {
      found.pop(); // a person may have taken over from a file: it is the same one
      if (last.since !== now?.since) found.push({ ...last, until: earlier.at(-1)?.until ?? last.since });
    }
    if (now !== undefined) found.push(now);
  }
  return found;
}

/** For people, with the way to resume. */
export function standstillText({ since, cause, by, note }: ToldStandstill): string {
  const paused = `all schedules are paused since ${since}`;
  if (cause === 'file') return `${paused} by ${note ?? 'a pause file'}`;
  return `${paused}${by ? ` by ${by}` : ''}${note ? ` (${note})` : ''}: almanac resume ends that`;
}
interface ToldStandstill extends Pick<Standstill, 'cause'> {
  readonly since: string;
  readonly by: string | null | undefined;
  readonly note: string | null | undefined;
}

const At = z.codec(z.iso.datetime(), z.custom<Instant>(), {
  decode: (text) => instant(Date.parse(text)),
  encode: (at) => new Date(at).toISOString(),
});
const StoredStandstill = z.looseObject({
  type: z.enum(STANDSTILL_EVENT_TYPES),
  data: z.object({
    now: z
      .object({ since: At, cause: z.enum(STANDSTILL_CAUSES), note: z.string().exactOptional(), actor: Actor.exactOptional() })
      .exactOptional(),
    earlier: z.array(z.object({ since: At, until: At })),
  }),
});

export const storedStandstill = (state: StandstillState): object =>
  z.encode(StoredStandstill.shape.data, state as z.output<typeof StoredStandstill>['data']);

/** @throws {CorruptEventError} Not an event of ours: somebody else wrote it. */
export function parseStandstill(bytes: Uint8Array): StandstillState {
  try {
    return StoredStandstill.parse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))).data;
  } catch (cause) {
    throw new CorruptEventError(bytes, { cause });
  }
}
