/** Connecting to NATS, and leaving it. */
import { readFile } from 'node:fs/promises';
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import { connect as connectNats, credsAuthenticator, type NatsConnection } from '@nats-io/transport-node';
import { ConnectError } from '../../domain/errors.ts';
import { Outbox } from './outbox.ts';

export interface ConnectOptions {
  readonly url: string;
  /** Shown in the server's list of connections. */
  readonly name: string;
  /** Path of a credentials file. */
  readonly credentials?: string | undefined;
  /** Gives up after this long when the server cannot be reached at first. Later breaks are repaired for ever. @default 5_000 */
  readonly timeoutMs?: number;
  /** How often the server is asked whether it is there; after two questions without an answer the connection is replaced. @default 10_000 */
  readonly pingMs?: number;
}

/** @throws {ConnectError} The server cannot be reached, refuses us, or has no JetStream. */
export async function connect({
  url,
  name,
  credentials,
  timeoutMs = 5_000,
  pingMs = 10_000,
}: ConnectOptions): Promise<{ connection: NatsConnection; manager: JetStreamManager }> {
  let connection: NatsConnection | undefined;
  try {
    connection = await connectNats({
      ...serversOf(url),
      name,
      timeout: timeoutMs,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 250,
      ignoreAuthErrorAbort: true, // an account server that is restarted refuses for a moment what it takes again afterwards
      pingInterval: pingMs, // the client's own two minutes would keep us on a dead connection far longer than a lease
      maxPingOut: 2,
      ...(credentials && { authenticator: credsAuthenticator(await readFile(credentials)) }),
    });
    return { connection, manager: await jetstreamManager(connection) };
  } catch (cause) {
    await connection?.close();
    throw new ConnectError(url, { cause });
  }
}

/** The client library leaves out what stands before the `@` of an address: `user:password`, or a token. One login for all members. */
function serversOf(url: string): { servers: string[]; user?: string; pass?: string; token?: string } {
  const addresses = url.split(',').map((address) => new URL(address));
  const servers = addresses.map(({ protocol, host }) => `${protocol}//${host}`);
  const { username, password } = addresses.find((address) => address.username !== '') ?? { username: '', password: '' };
  if (username === '') return { servers };
  const name = decodeURIComponent(username);
  return password === '' ? { servers, token: name } : { servers, user: name, pass: decodeURIComponent(password) };
}

/** How long closing waits for a server that may not be there any more, in milliseconds. */
const LAST_WORDS_MS = 1_000;

/** Sends what waits to be sent, such as leases handed back, and closes. */
export async function disconnect(connection: NatsConnection): Promise<void> {
  Outbox.of(connection).flush();
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise((resolve) => {
    timer = setTimeout(resolve, LAST_WORDS_MS);
  });
  await Promise.race([connection.flush().catch(() => undefined), tooLong]);
  clearTimeout(timer);
  await connection.close();
}
