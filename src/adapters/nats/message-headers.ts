import type { MsgHdrs } from '@nats-io/transport-node';

/**
 * First value of each header. None at all when they break the rules of the protocol: the server does not check them, and the client
 * library throws while it reads them.
 */
export function plainHeaders(read: () => MsgHdrs | undefined): Record<string, string> {
  try {
    const headers = read();
    return headers === undefined ? {} : Object.fromEntries(headers.keys().map((name) => [name, headers.get(name)]));
  } catch {
    return {};
  }
}
