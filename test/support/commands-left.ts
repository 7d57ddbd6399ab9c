import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { commands } from '../../streams/commands.stream.ts';

/** What is still to be done or settled. */
export async function commandsLeft(connection: NatsConnection): Promise<{ stored: number; unacknowledged: number }> {
  const manager = await jetstreamManager(connection);
  const { state } = await manager.streams.info(commands.name);
  let unacknowledged = 0;
  for await (const consumer of manager.consumers.list(commands.name)) unacknowledged += consumer.num_ack_pending;
  return { stored: state.messages, unacknowledged };
}
