import { connect } from '@nats-io/transport-node';

export type ServerIdentity = { serverName: string; version: string; jetStream: boolean };

/** Who answers at this address, and whether JetStream is up there. Rejects when nobody does, or something that is not NATS. */
export async function probe(url: string, timeoutMs = 2_000): Promise<ServerIdentity> {
  const connection = await connect({ servers: url, timeout: timeoutMs, reconnect: false, name: 'almanac probe' });
  try {
    const jetStream = await connection.request('$JS.API.INFO', '', { timeout: timeoutMs }).then(
      () => true,
      () => false,
    );
    const { server_name, version } = connection.info!;
    return { serverName: server_name, version, jetStream };
  } finally {
    await connection.close();
  }
}
