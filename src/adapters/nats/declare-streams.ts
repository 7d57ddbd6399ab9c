/** Creates the declared streams, or brings existing ones up to date, and never accepts one that promises less. */
import { setTimeout as delay } from 'node:timers/promises';
import { JetStreamApiCodes, JetStreamApiError, type JetStreamManager, type StreamConfig } from '@nats-io/jetstream';
import type { DeclaredStream } from '../../../streams/declared-stream.ts';
import { declaredStreams } from '../../../streams/index.ts';
import { ConfigError, WeakStreamError } from '../../domain/errors.ts';

/** Of a stream that another process is creating at this moment. */
const LOOK_AGAIN_MS = 50;
const MOST_LOOKS = 20;

/**
 * Safe to run by many processes at once.
 * @param replicas Copies of each stream on a cluster; an existing stream keeps more, never fewer.
 * @throws {WeakStreamError} A stream exists with weaker guarantees. Nothing was changed in it.
 * @throws {ConfigError} Another stream takes a subject that one of ours needs.
 */
export async function declareStreams(manager: JetStreamManager, { replicas = 1 }: { replicas?: number } = {}): Promise<void> {
  for (const declared of declaredStreams) {
    const existing = (await configOf(manager, declared.name)) ?? (await create(manager, declared, replicas));
    const problems = weaknesses(declared, existing, replicas);
    if (problems.length > 0) throw new WeakStreamError(declared.name, problems);
    const change = improvements(declared, existing);
    if (change !== undefined) await manager.streams.update(declared.name, change);
  }
}

/** False where no Almanac has ever run. */
export async function streamsExist(manager: JetStreamManager): Promise<boolean> {
  const configs = await Promise.all(declaredStreams.map(({ name }) => configOf(manager, name)));
  return configs.every((config) => config !== undefined);
}

/** As it is then: another process may have been first, and a server refuses the second one while it creates for the first. */
async function create(manager: JetStreamManager, declared: DeclaredStream, replicas: number): Promise<StreamConfig> {
  for (let looks = 1; ; looks++) {
    try {
      return (await manager.streams.add({ ...mutable(declared), num_replicas: replicas })).config;
    } catch (error) {
      if (!(error instanceof JetStreamApiError)) throw error;
      const created = await configOf(manager, declared.name);
      if (created !== undefined) return created;
      await assertNotTaken(manager, declared);
      if (looks === MOST_LOOKS) throw error;
      await delay(LOOK_AGAIN_MS);
    }
  }
}

async function assertNotTaken(manager: JetStreamManager, { name, subjects }: DeclaredStream): Promise<void> {
  for (const subject of subjects) {
    for await (const { config } of manager.streams.list(subject)) {
      if (config.name === name) continue;
      const what = `stream ${config.name} takes ${config.subjects?.join(', ')}, which ${name} needs`;
      throw new ConfigError(`${what}: give it other subjects, or use an account or a server of its own for Almanac`);
    }
  }
}

async function configOf(manager: JetStreamManager, name: string): Promise<StreamConfig | undefined> {
  try {
    return (await manager.streams.info(name)).config;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound) return undefined;
    throw error;
  }
}

/** What an existing stream promises less than the declaration. Each of these could lose or change something. */
function weaknesses(declared: DeclaredStream, existing: StreamConfig, replicas: number): string[] {
  const problems: string[] = [];
  const differs = (setting: 'storage' | 'retention' | 'discard', why: string) => {
    if (existing[setting] !== declared[setting]) problems.push(`${setting} is ${existing[setting]}, must be ${declared[setting]}: ${why}`);
  };
  differs('storage', 'a restart of the server would forget everything');
  differs('retention', 'messages would be kept too long or removed too early');
  differs('discard', 'a full stream would forget its oldest messages without a word');
  if (declared.deny_delete && !existing.deny_delete) problems.push('deny_delete is off: single events could be removed from history');
  if (declared.deny_purge && !existing.deny_purge) problems.push('deny_purge is off: history could be purged');
  if (existing.max_age > 0) problems.push(`max_age is ${existing.max_age / 1e9} s: messages would expire`);
  if (existing.no_ack) problems.push('no_ack is on: nobody would know whether a message was stored');
  if (declared.max_msgs_per_subject === undefined && (existing.max_msgs_per_subject ?? -1) > 0)
    problems.push('max_msgs_per_subject is set: history would be cut off');
  if (existing.num_replicas < replicas) problems.push(`it has ${existing.num_replicas} replica(s), ${replicas} are configured`);
  for (const subject of declared.subjects) {
    if (!existing.subjects?.includes(subject)) problems.push(`it does not take ${subject}`);
  }
  return problems;
}

/** Settings that can be raised while the stream is in use, without weakening anything. */
function improvements(declared: DeclaredStream, existing: StreamConfig): Partial<StreamConfig> | undefined {
  const change: Partial<StreamConfig> = {};
  if (declared.allow_direct && !existing.allow_direct) change.allow_direct = true;
  if (existing.duplicate_window < declared.duplicate_window) change.duplicate_window = declared.duplicate_window;
  if (existing.max_msg_size !== declared.max_msg_size) change.max_msg_size = declared.max_msg_size;
  const { max_msgs_per_subject: kept } = declared;
  if (kept !== undefined && existing.max_msgs_per_subject !== kept) change.max_msgs_per_subject = kept;
  return Object.keys(change).length === 0 ? undefined : change;
}

const mutable = (declared: DeclaredStream): DeclaredStream => ({ ...declared, subjects: [...declared.subjects] });
