import type { JetStreamManager } from '@nats-io/jetstream';

/** Takes one message out of a stream. False: somebody else did so at the same time. */
export async function deleteStored(manager: JetStreamManager, stream: string, seq: number): Promise<boolean> {
  try {
    return await manager.streams.deleteMessage(stream, seq, false);
  } catch (error) {
    if ((await manager.streams.getMessage(stream, { seq })) === null) return false;
    throw error;
  }
}
