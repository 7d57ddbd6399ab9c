import type { JetStreamManager } from '@nats-io/jetstream';
import { commands, parseCommandSubject } from '../../streams/commands.stream.ts';

export interface StoredStart {
  readonly runId: string;
  /** By the clock of the server, in milliseconds since the epoch. */
  readonly storedAt: number;
}

const AT_ONCE = 256;

/** Every start command that waits in the stream, oldest first. One by one: a work queue cannot be read without taking from it. */
export async function storedStarts(manager: JetStreamManager): Promise<StoredStart[]> {
  const { state } = await manager.streams.info(commands.name);
  const starts: StoredStart[] = [];
  for (let next = state.first_seq; next <= state.last_seq; next += AT_ONCE) {
    const count = Math.min(AT_ONCE, state.last_seq - next + 1);
    const messages = await Promise.all(
      Array.from({ length: count }, (_, n) => manager.streams.getMessage(commands.name, { seq: next + n })),
    );
    for (const message of messages) {
      if (message === null || parseCommandSubject(message.subject)?.kind !== 'start') continue; // carried out already, or another command
      starts.push({ runId: message.json<{ key: string }>().key, storedAt: message.time.getTime() });
    }
  }
  return starts;
}
