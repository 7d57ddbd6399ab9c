/** Runs whose command became a dead letter: found among the letters, and in the audit of those that were dropped. */
import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { deadLetterSubject, deadLetters } from '../../../streams/dead-letters.stream.ts';
import { events, systemEventSubject } from '../../../streams/events.stream.ts';
import { type DeadLetterOrigin, RUN_FAILED } from '../../domain/dead-letter.ts';
import type { LaidAsideRuns, RunAddress } from '../../runtime/ports.ts';
import { plainHeaders } from './message-headers.ts';
import { readOrdered } from './ordered-reader.ts';

/** The two streams may be led by two servers of a cluster, each with its own clock. */
const CLOCKS_APART_MS = 1_000;

/** As a rule, there is no letter since, and that is known after one request for each subject. */
export function natsLaidAsideRuns(connection: NatsConnection, manager: JetStreamManager): LaidAsideRuns {
  async function lies({ jobType, runId }: RunAddress, origin: DeadLetterOrigin, sinceMs: number): Promise<boolean> {
    const subject = deadLetterSubject(origin, jobType);
    const last = await manager.direct.getMessage(deadLetters.name, { last_by_subj: subject });
    if (last === null || last.time.getTime() < sinceMs) return false;
    let found = false;
    const read = { stream: deadLetters.name, subject, since: new Date(sinceMs).toISOString(), headersOnly: true };
    await readOrdered(connection, manager, read, ({ headers }) => {
      const { 'Almanac-Run-Id': run, 'Almanac-Reason-Code': code } = plainHeaders(headers);
      found = run === runId && code !== RUN_FAILED; // that one has ended, or has begun anew since
      return found ? 'stop' : undefined;
    });
    return found;
  }
  async function wasDropped(run: RunAddress, origins: readonly DeadLetterOrigin[], after: number): Promise<boolean> {
    const subject = systemEventSubject('dead-letter-dropped');
    const last = await manager.direct.getMessage(events.name, { last_by_subj: subject });
    if (last === null || last.seq <= after) return false;
    let found = false;
    await readOrdered(connection, manager, { stream: events.name, subject, after }, ({ data }) => {
      const letter = droppedLetter(data);
      found =
        letter?.jobType === run.jobType && letter.runId === run.runId && letter.code !== RUN_FAILED && origins.includes(letter.origin!);
      return found ? 'stop' : undefined;
    });
    return found;
  }
  return {
    // A refused start command says nothing of a run that has begun: somebody has sent another one.
    isLaidAside: async (last) =>
      (await lies(last, 'run', last.storedAt - CLOCKS_APART_MS)) || (await wasDropped(last, ['run'], last.sequence)),
    isRefused: async (run, after) =>
      (await lies(run, 'command', 0)) || (await lies(run, 'run', 0)) || (await wasDropped(run, ['command', 'run'], after)),
  };
}

interface DroppedLetter {
  readonly origin?: DeadLetterOrigin;
  readonly jobType?: string;
  readonly runId?: string;
  readonly code?: string;
}
/** Undefined: somebody else wrote it. */
function droppedLetter(bytes: Uint8Array): DroppedLetter | undefined {
  try {
    return JSON.parse(Buffer.from(bytes).toString()).data;
  } catch {
    return undefined;
  }
}
