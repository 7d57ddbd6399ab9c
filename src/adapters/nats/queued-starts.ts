import type { JetStreamManager, MsgRequest, StoredMsg } from '@nats-io/jetstream';
import { commands, startSubject } from '../../../streams/commands.stream.ts';
import type { Instant, JobTypeId } from '../../domain/ids.ts';
import { LANES } from '../../domain/job-type.ts';
import type { QueuedRuns, QueuedStarts, RunAddress, StoredCommand } from '../../runtime/ports.ts';
import { queuedRunId } from '../../runtime/start-request.ts';
import { plainHeaders } from './message-headers.ts';

/** One request for each command that waits. */
const MOST_LOOKED_AT = 10_000;
const MOST_REMEMBERED = 10_000;

export const queuedStarts = (manager: JetStreamManager): QueuedStarts => ({
  async findStart(jobType, runIdOf, run) {
    for await (const command of startsOf(manager, jobType)) if (runIdOf(command) === run) return command;
    return undefined;
  },
});

export function natsQueuedRuns(manager: JetStreamManager): QueuedRuns {
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
      if (place !== undefined && (await manager.streams.getMessage(commands.name, { seq: place })) !== null) return true;
      places.delete(key);
      let looked = 0;
      for await (const command of startsOf(manager, jobType)) {
        looked++;
        if (queuedRunId(command) !== runId) continue;
        queued.remember(run, command.command);
        return true;
      }
      return looked === MOST_LOOKED_AT;
    },
  };
  return queued;
}

async function* startsOf(manager: JetStreamManager, jobType: JobTypeId): AsyncGenerator<StoredCommand> {
  let looked = 0;
  for (const lane of LANES) {
    for (let seq = 1; looked < MOST_LOOKED_AT; looked++) {
      const query = { seq, next_by_subj: startSubject(jobType, lane) }; // the server takes it here, too; the library's type does not say so
      const message = await manager.streams.getMessage(commands.name, query as MsgRequest);
      if (message === null) break;
      yield storedCommand(message);
      seq = message.seq + 1;
    }
  }
}

const storedCommand = ({ subject, seq, data, time, header }: StoredMsg): StoredCommand => ({
  subject,
  command: seq,
  publishedAt: time.getTime() as Instant,
  body: data,
  get headers() {
    return plainHeaders(() => header);
  },
});
