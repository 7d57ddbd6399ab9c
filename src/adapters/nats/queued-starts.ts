import type { JetStreamManager, MsgRequest, StoredMsg } from '@nats-io/jetstream';
import { commands, startSubject } from '../../../streams/commands.stream.ts';
import type { Instant } from '../../domain/ids.ts';
import { LANES } from '../../domain/job-type.ts';
import type { QueuedStarts, StoredCommand } from '../../runtime/ports.ts';
import { plainHeaders } from './message-headers.ts';

/** One request for each command that waits. */
const MOST_LOOKED_AT = 10_000;

export const queuedStarts = (manager: JetStreamManager): QueuedStarts => ({
  async findStart(jobType, runIdOf, run) {
    let looked = 0;
    for (const lane of LANES) {
      for (let seq = 1; looked < MOST_LOOKED_AT; looked++) {
        const query = { seq, next_by_subj: startSubject(jobType, lane) }; // the server takes it here, too; the library's type does not say so
        const message = await manager.streams.getMessage(commands.name, query as MsgRequest);
        if (message === null) break;
        const command = storedCommand(message);
        if (runIdOf(command) === run) return command;
        seq = message.seq + 1;
      }
    }
    return undefined;
  },
});

const storedCommand = ({ subject, seq, data, time, header }: StoredMsg): StoredCommand => ({
  subject,
  command: seq,
  publishedAt: time.getTime() as Instant,
  body: data,
  get headers() {
    return plainHeaders(() => header);
  },
});
