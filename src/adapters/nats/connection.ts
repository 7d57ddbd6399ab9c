/** The connection to NATS, and everything of the runtime's ports that goes over it. */
import { readFile } from 'node:fs/promises';
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import { connect as connectNats, credsAuthenticator, type NatsConnection } from '@nats-io/transport-node';
import { ConnectError } from '../../domain/errors.ts';

export interface ConnectOptions {
  readonly url: string;
  /** Shown in the server's list of connections. */
  readonly name: string;
  /** Path of a credentials file. */
  readonly credentials?: string | undefined;
  /** Gives up after this long when the server cannot be reached at first. Later breaks are repaired for ever. @default 5_000 */
  readonly timeoutMs?: number;
}

/** @throws {ConnectError} The server cannot be reached, refuses us, or has no JetStream. */
export async function connect({
  url,
  name,
  credentials,
  timeoutMs = 5_000,
}: ConnectOptions): Promise<{ connection: NatsConnection; manager: JetStreamManager }> {
  let connection: NatsConnection | undefined;
  try {
    connection = await connectNats({
      servers: url.split(','),
      name,
      timeout: timeoutMs,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 250,
      ...(credentials && { authenticator: credsAuthenticator(await readFile(credentials)) }),
    });
    return { connection, manager: await jetstreamManager(connection) };
  } catch (cause) {
    await connection?.close();
    throw new ConnectError(url, { cause });
  }
}
