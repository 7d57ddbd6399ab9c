/** The lanes there are on the server: a consumer each, whoever made it. */
import { JetStreamApiError, type JetStreamManager } from '@nats-io/jetstream';
import { commands, consumerOf, parseCommandSubject } from '../../../streams/commands.stream.ts';
import type { JobTypeId } from '../../domain/ids.ts';
import type { Lane } from '../../domain/job-type.ts';
import type { LaneInUse } from '../../runtime/ports.ts';

/** JetStream's error code; the client library has no name for it. */
const CONSUMER_NOT_FOUND = 10_014;

export async function lanesInUse(manager: JetStreamManager): Promise<LaneInUse[]> {
  const found: LaneInUse[] = [];
  for await (const { name, config, num_pending, num_ack_pending, num_waiting } of manager.consumers.list(commands.name)) {
    const address = parseCommandSubject(config.filter_subject ?? '');
    if (address?.kind !== 'start' || name !== consumerOf(address).name) continue;
    const { jobType, lane } = address;
    found.push({ jobType, lane, limit: config.max_ack_pending ?? 1, left: num_pending + num_ack_pending, polled: num_waiting > 0 });
  }
  return found;
}

export async function removeLane(manager: JetStreamManager, jobType: JobTypeId, lane: Lane): Promise<void> {
  try {
    await manager.consumers.delete(commands.name, consumerOf({ kind: 'start', jobType, lane }).name);
  } catch (error) {
    if (!(error instanceof JetStreamApiError && error.code === CONSUMER_NOT_FOUND)) throw error; // somebody else was faster
  }
}
