import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { deadLetterSubject, deadLetters } from '../../../streams/dead-letters.stream.ts';
import type { Refusals } from '../../runtime/ports.ts';
import { readOrdered } from './ordered-reader.ts';

export const natsRefusals = (connection: NatsConnection, manager: JetStreamManager): Refusals => ({
  async has(jobType, command, since) {
    const subject = deadLetterSubject('signal', jobType);
    const last = await manager.direct.getMessage(deadLetters.name, { last_by_subj: subject }); // as a rule, there is none
    if (last === null || last.time.getTime() < since) return false;
    let found = false;
    const read = { stream: deadLetters.name, subject, since: new Date(since).toISOString(), headersOnly: true };
    await readOrdered(connection, manager, read, ({ headers }) => {
      found = headers()?.get('Almanac-Origin-Sequence') === String(command);
      return found ? 'stop' : undefined;
    });
    return found;
  },
});
