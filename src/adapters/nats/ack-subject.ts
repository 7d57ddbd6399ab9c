/**
 * What JetStream says of a delivered message in its reply subject:
 * `$JS.ACK.[<domain>.<account>.]<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time>.<pending>[.<random>]`
 * https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-15.md
 */
export interface DeliveryPosition {
  /** 1 for the first delivery. */
  readonly delivery: number;
  /** Place in the stream. */
  readonly sequence: number;
  /** Count of what this consumer was sent. */
  readonly consumerSequence: number;
  readonly storedAtMs: number;
  /** How many of the consumer's selection come after it. Server 2.9 miscounts where the filter has a wildcard. */
  readonly pending: number;
}

export const isDelivery = (reply: string | undefined): reply is string => reply?.startsWith('$JS.ACK.') ?? false;

const DOT = 46;
const ZERO = 48;
/** Without domain and account. */
const SHORT_FORM_TOKENS = 9;

/** Where the numbers begin. The same for every message of a consumer. */
export function numbersStart(reply: string): number {
  let tokens = 1;
  for (let dot = reply.indexOf('.'); dot >= 0; dot = reply.indexOf('.', dot + 1)) tokens++;
  let start = 0;
  for (let names = tokens === SHORT_FORM_TOKENS ? 4 : 6; names > 0; names--) start = reply.indexOf('.', start) + 1;
  return start;
}

/** Reads the digits where they stand: every message that is read or leased passes here. */
export function deliveryPosition(reply: string, start = numbersStart(reply)): DeliveryPosition {
  const end = { at: start };
  return {
    delivery: numberAt(reply, end),
    sequence: numberAt(reply, end),
    consumerSequence: numberAt(reply, end),
    storedAtMs: Math.floor(numberAt(reply, end) / 1e6),
    pending: numberAt(reply, end),
  };
}

function numberAt(reply: string, cursor: { at: number }): number {
  let value = 0;
  for (; cursor.at < reply.length; cursor.at++) {
    const code = reply.charCodeAt(cursor.at);
    if (code === DOT) break;
    value = value * 10 + code - ZERO;
  }
  cursor.at++;
  return value;
}
