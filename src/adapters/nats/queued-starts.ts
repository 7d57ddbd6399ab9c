import type { JetStreamManager, StoredMsg } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { commands, parseCommandSubject, startSubject } from '../../../streams/commands.stream.ts';
import type { Instant, JobTypeId } from '../../domain/ids.ts';
import { LANES } from '../../domain/job-type.ts';
import type { QueuedRuns, QueuedStarts, RunAddress, StoredCommand } from '../../runtime/ports.ts';
import { queuedRunId } from '../../runtime/start-request.ts';
import { plainHeaders } from './message-headers.ts';
import { nextCommand } from './next-command.ts';

/** One request for each command that waits. */
const MOST_LOOKED_AT = 10_000;
const MOST_REMEMBERED = 10_000;

interface Server {
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
}

export const queuedStarts = (server: Server): QueuedStarts => ({
  async findStart(jobType, runIdOf, run) {
    for await (const command of startsOf(server, jobType)) if (runIdOf(command) === run) return command;
    return undefined;
  },
});

export function natsQueuedRuns(server: Server): QueuedRuns {
  const places = new Map<string, number>();
  const keyOf = ({ jobType, runId }: RunAddress) => `${jobType}/${runId}`;
  const queued: QueuedRuns = {
    remember(run, place) {
      if (places.size >= MOST_REMEMBERED) places.delete(places.keys().next().value!);
      places.set(keyOf(run), place);
    },
    async has(run) {
      const { jobType, runId } = run;
      const key = keyOf(run);
      const place = places.get(key);
      if (place !== undefined && (await server.manager.streams.getMessage(commands.name, { seq: place })) !== null) return true;
      places.delete(key);
      let looked = 0;
      for await (const command of startsOf(server, jobType)) {
        looked++;
        if (queuedRunId(command) !== runId) continue;
        queued.remember(run, command.command);
        return true;
      }
      return looked >= MOST_LOOKED_AT;
    },
  };
  return queued;
}

async function* startsOf({ connection, manager }: Server, jobType: JobTypeId): AsyncGenerator<StoredCommand> {
  const seen = new Set<number>();
  for (const lane of LANES) {
    for (let seq = 1; seen.size < MOST_LOOKED_AT; ) {
      const message = await nextCommand(manager, startSubject(jobType, lane), seq);
      if (message === null) break;
      seen.add(message.seq);
      yield storedCommand(message);
      seq = message.seq + 1;
    }
  }
  if (!mayForget(connection)) return;
  let looked = 0;
  for (let message = await nextCommand(manager, '>', 1); message !== null && ++looked <= MOST_LOOKED_AT; ) {
    const address = parseCommandSubject(message.subject);
    if (address?.kind === 'start' && address.jobType === jobType && !seen.has(message.seq)) yield storedCommand(message);
    message = await nextCommand(manager, '>', message.seq + 1);
  }
}

/** A server 2.9 that was killed may have lost a command from its index of subjects: there everything has to be looked at. */
const mayForget = ({ info }: NatsConnection): boolean => info?.version.startsWith('2.9.') ?? true;

const storedCommand = ({ subject, seq, data, time, header }: StoredMsg): StoredCommand => ({
  subject,
  command: seq,
  publishedAt: time.getTime() as Instant,
  body: data,
  get headers() {
    return plainHeaders(() => header);
  },
});
