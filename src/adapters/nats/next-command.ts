import type { JetStreamManager, LastForMsgRequest, StoredMsg } from '@nats-io/jetstream';
import { commands } from '../../../streams/commands.stream.ts';

/** The first stored command from `seq` on whose subject matches; null when there is none. */
export function nextCommand(manager: JetStreamManager, filter: string, seq: number): Promise<StoredMsg | null> {
  // The client's type leaves `next_by_subj` out, which this API has had since server 2.9.
  return manager.streams.getMessage(commands.name, { seq, next_by_subj: filter } as unknown as LastForMsgRequest);
}
