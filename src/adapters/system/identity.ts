import { randomBytes } from 'node:crypto';
import { hostname, userInfo } from 'node:os';
import { monotonicFactory } from 'ulid';
import type { Identity } from '../../runtime/ports.ts';

/** Who this process is in the log. The random part keeps two containers with the same host name and process id apart. */
export function processIdentity(): Identity {
  const eventId = monotonicFactory(() => random(1)[0]! / 256);
  const instance = `${hostname()}-${process.pid}-${randomBytes(3).toString('hex')}`;
  return {
    source: `/almanac/${encodeURIComponent(instance)}`,
    eventId: () => eventId(),
    // https://www.w3.org/TR/trace-context/#traceparent-header, not sampled: nobody has asked for spans
    traceparent: () => `00-${random(16).toString('hex')}-${random(8).toString('hex')}-00`,
  };
}

/** Asking the system for each few bytes costs more than the rest of starting a run. */
const POOL_BYTES = 8_192;
let pool = randomBytes(POOL_BYTES);
let used = 0;

function random(bytes: number): Buffer {
  if (used + bytes > pool.length) {
    pool = randomBytes(POOL_BYTES);
    used = 0;
  }
  used += bytes;
  return pool.subarray(used - bytes, used);
}

/** Who runs this process, for people to read: nobody's word for it, so never a proof. */
export function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return 'unknown'; // a container may run as a number that has no name
  }
}
