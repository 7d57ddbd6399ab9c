import type { StreamConfig } from '@nats-io/jetstream';
import type { CommandSelection } from '../src/domain/command-selection.ts';
import { isSafeToken, type JobTypeId, type RunId, type ScheduleId } from '../src/domain/ids.ts';
import { LANES, type Lane } from '../src/domain/job-type.ts';
import { DEAD_LETTER_HEADROOM_BYTES, SERVER_MAX_PAYLOAD_BYTES } from './dead-letters.stream.ts';
import type { DeclaredStream } from './declared-stream.ts';
import { nanosOf } from './nanoseconds.ts';

/** Repeats of a `Nats-Msg-Id` within this time are dropped by the server; later ones become nothing by run id (invariant 5). */
export const DUPLICATE_WINDOW_MS = 2 * 60_000;

/**
 * Requests that wait for somebody to carry them out. A start command stays here until its run is final: whoever holds it
 * unacknowledged owns the run (invariant 4).
 */
export const commands = {
  name: 'COMMANDS',
  // Everything below `cmd`, so that a misspelt command is stored and dead-lettered with a reason instead of vanishing (invariant 6).
  subjects: ['cmd.>'],
  retention: 'workqueue',
  storage: 'file',
  discard: 'new', // when full, refuse a command rather than forget one
  max_age: 0,
  // A command that cannot be used must still fit into a dead letter, whole.
  max_msg_size: SERVER_MAX_PAYLOAD_BYTES - DEAD_LETTER_HEADROOM_BYTES,
  duplicate_window: nanosOf(DUPLICATE_WINDOW_MS),
} as const satisfies DeclaredStream & Partial<StreamConfig>;

export const startSubject = (jobType: JobTypeId, lane: Lane = 'normal') => `cmd.${jobType}.start.${lane}` as const;
export const signalSubject = (jobType: JobTypeId, run: RunId) => `cmd.${jobType}.signal.${run}` as const;
/** Wakes a parked run: sent by whoever parks it, delivered when its time has come. */
export const wakeSubject = (jobType: JobTypeId, run: RunId) => `cmd.${jobType}.wake.${run}` as const;

export const scheduleCommandSubject = (schedule: ScheduleId) => `cmd.schedule.${schedule}` as const;

export type CommandAddress =
  | { kind: 'schedule'; schedule: ScheduleId }
  | { kind: 'start'; jobType: JobTypeId; lane: Lane }
  | { kind: 'signal' | 'wake'; jobType: JobTypeId; runId: RunId };

/** What a command subject says; undefined when it is not one of the grammar. Never throws: subjects come from strangers. */
export function parseCommandSubject(subject: string): CommandAddress | undefined {
  const tokens = subject.split('.');
  const [root, type, verb, rest] = tokens;
  if (tokens.length === 3 && root === 'cmd' && type === 'schedule' && isSafeToken(verb!))
    return { kind: 'schedule', schedule: verb as ScheduleId };
  if (tokens.length !== 4 || root !== 'cmd' || !isSafeToken(type!) || !isSafeToken(rest!)) return undefined;
  const jobType = type as JobTypeId;
  if (verb === 'signal' || verb === 'wake') return { kind: verb, jobType, runId: rest as RunId };
  const lane = LANES.find((name) => name === rest);
  return verb === 'start' && lane !== undefined ? { kind: 'start', jobType, lane } : undefined;
}

/**
 * Whether a message may be published there as a command, though perhaps nobody takes it yet: one subject of the COMMANDS stream, without
 * wildcards, and nothing in it that means something to the protocol.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
export const isCommandSubject = (subject: string): boolean => /^cmd(\.[^\s.*>\u0000-\u001f\u007f]+)+$/.test(subject);

/** Durable name and filter of the consumer that leases the commands of a selection. */
export function consumerOf(selection: CommandSelection): { readonly name: string; readonly filter: string } {
  switch (selection.kind) {
    case 'start': {
      const { jobType, lane } = selection;
      return { name: `start-${jobType}-${lane}`, filter: startSubject(jobType, lane) };
    }
    case 'signal':
      return { name: `signal-${selection.jobType}`, filter: `cmd.${selection.jobType}.signal.*` };
    case 'wake':
      return { name: 'wake', filter: 'cmd.*.wake.*' };
    case 'schedule':
      return { name: 'schedule', filter: 'cmd.schedule.*' };
  }
}
