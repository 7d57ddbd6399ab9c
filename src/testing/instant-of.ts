import { type Instant, instant } from '../domain/ids.ts';

const WITH_ZONE = /^\d{4}-\d\d-\d\dT.*(Z|[+-]\d\d:\d\d)$/;

/** @throws {RangeError} Not ISO 8601 with a zone: without one it would be another instant on another machine. */
export function instantOf(text: string): Instant {
  const at = WITH_ZONE.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at))
    throw new RangeError(`${JSON.stringify(text)} is no instant: write ISO 8601 with a zone, e.g. 2026-11-23T03:00:00Z`);
  return instant(at);
}
