import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { monotonicFactory } from 'ulid';
import type { Identity } from '../../runtime/ports.ts';

/** Who this process is in the log. The random part keeps two containers with the same host name and process id apart. */
export function processIdentity(): Identity {
  const eventId = monotonicFactory();
  const instance = `${hostname()}-${process.pid}-${randomBytes(3).toString('hex')}`;
  return {
    source: `/almanac/${encodeURIComponent(instance)}`,
    eventId: () => eventId(),
    // https://www.w3.org/TR/trace-context/#traceparent-header, not sampled: nobody has asked for spans
    traceparent: () => `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-00`,
  };
}
