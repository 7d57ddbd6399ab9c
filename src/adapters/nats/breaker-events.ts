/** Outages of dependencies in the audit, `evt.system.breaker`: when one began for this process, and when it was over. */
import { ulid } from 'ulid';
import { systemEventSubject } from '../../../streams/events.stream.ts';
import type { BreakerState, Clock, DependencyObserver, Log } from '../../runtime/ports.ts';
import { cloudEventBytes } from './cloud-event.ts';
import { publishConfirmed } from './publish-confirmed.ts';
import type { Publisher } from './publisher.ts';

export interface BreakerEventsParts {
  readonly publisher: Publisher;
  /** Of the events: this process. */
  readonly source: string;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * The probes in between, one every few seconds, are no news: EVENTS keeps everything for ever.
 * @param next Is told everything first.
 */
export function natsBreakerEvents({ publisher, source, clock, log }: BreakerEventsParts, next: DependencyObserver): DependencyObserver {
  const last = new Map<string, BreakerState>();
  return {
    refused: next.refused,
    breaker(dependency, state) {
      next.breaker(dependency, state);
      if (state === 'halfOpen' || (last.get(dependency) ?? 'closed') === state) return;
      last.set(dependency, state);
      const id = ulid();
      const type = state === 'open' ? 'almanac.breaker.opened' : 'almanac.breaker.closed';
      const bytes = cloudEventBytes({
        id,
        source,
        type,
        subject: `dependency/${dependency}`,
        at: clock.now(),
        data: { dependency, state },
      });
      publishConfirmed(publisher, systemEventSubject('breaker'), bytes, { messageId: id }).catch((error: unknown) =>
        log.warn({ err: error, dependency, state }, 'the audit does not hold this change of a circuit breaker'),
      );
    },
  };
}
