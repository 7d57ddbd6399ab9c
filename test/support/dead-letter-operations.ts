import { natsDeadLetterBox } from '../../src/adapters/nats/dead-letter-box.ts';
import { systemClock } from '../../src/adapters/system/clock.ts';
import { DeadLetterOperations } from '../../src/runtime/dead-letter-operations.ts';
import type { DeadLetterBox } from '../../src/runtime/ports.ts';
import type { Client } from './host-on.ts';

/** @param change Parts of the box that are to behave differently. */
export function deadLettersOf({ connection, manager, publisher }: Client, change: Partial<DeadLetterBox> = {}): DeadLetterOperations {
  const box = natsDeadLetterBox({ connection, manager, publisher, source: '/almanac/test' });
  return new DeadLetterOperations({ ...box, ...change }, systemClock);
}

export interface AuditEvent {
  readonly type: string;
  readonly subject: string;
  readonly data: { readonly letter: number; readonly [field: string]: unknown };
}
/** What the log says was done with dead letters, last of each kind. */
export async function lastAudit({ manager }: Client, what: 'redriven' | 'dropped'): Promise<AuditEvent | undefined> {
  const message = await manager.streams.getMessage('EVENTS', { last_by_subj: `evt.system.dead-letter-${what}` });
  return message?.json<AuditEvent>();
}
