/** Each event carries the hash of the one before it on its subject, so nobody can change or drop history unnoticed. */
import { hash } from 'node:crypto';

/** SHA-256, lower-case hex, of an event's bytes exactly as they are stored. */
export const hashOfEvent = (bytes: Uint8Array | string): string => hash('sha256', bytes, 'hex');
