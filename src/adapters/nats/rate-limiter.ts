/**
 * Rates over all replicas: the state of each job type is the last message of its subject, moved by compare-and-set, so that two
 * processes never let the same turn pass twice. A turn whose answer was lost is a turn less, never one too many.
 */
import type { JetStreamManager } from '@nats-io/jetstream';
import { z } from 'zod';
import { limits, rateSubject } from '../../../streams/limits.stream.ts';
import { UnconfirmedError, VersionConflictError } from '../../domain/errors.ts';
import type { Instant, JobTypeId, Sequence } from '../../domain/ids.ts';
import { intervalMs, type Rate, type TheoreticalArrival, turnAt } from '../../domain/rate-limit.ts';
import type { RateLimiter } from '../../runtime/ports.ts';
import type { Publisher } from './publisher.ts';

const Stored = z.object({ due: z.number() });

export function natsRateLimiter(publisher: Publisher, manager: JetStreamManager): RateLimiter {
  const queues = new Map<JobTypeId, TurnQueue>();
  return {
    take(jobType, rate, now) {
      let queue = queues.get(jobType);
      if (queue === undefined) {
        queue = new TurnQueue(publisher, manager, jobType);
        queues.set(jobType, queue);
      }
      return queue.take(rate, now);
    },
  };
}

/** The turns of one job type, as this process sees them. */
class TurnQueue {
  readonly #publisher: Publisher;
  readonly #manager: JetStreamManager;
  readonly #jobType: JobTypeId;
  /** As it was last seen. Others may have moved it on, never back: a wait that follows from it is not too long. */
  #due: TheoreticalArrival | undefined;
  #sequence = 0 as Sequence;
  /** The latest time that somebody was told to come again. */
  #told = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor(publisher: Publisher, manager: JetStreamManager, jobType: JobTypeId) {
    this.#publisher = publisher;
    this.#manager = manager;
    this.#jobType = jobType;
  }

  /** One after the other: they would only refuse each other. */
  take(rate: Rate, now: Instant): Promise<{ waitMs: number }> {
    const taken = this.#last.then(() => this.#take(rate, now));
    this.#last = taken.catch(() => undefined);
    return taken;
  }

  async #take(rate: Rate, now: Instant): Promise<{ waitMs: number }> {
    for (;;) {
      const turn = turnAt(rate, this.#due, now);
      if (turn.kind === 'wait') return { waitMs: this.#spread(turn.waitMs, rate, now) };
      try {
        const body = Buffer.from(JSON.stringify({ due: turn.next }));
        const { sequence } = await this.#publisher.publish(rateSubject(this.#jobType), body, { expectedSequence: this.#sequence });
        this.#sequence = sequence;
        this.#due = turn.next;
        return { waitMs: 0 };
      } catch (error) {
        if (!(error instanceof VersionConflictError || error instanceof UnconfirmedError)) throw error;
        await this.#load();
      }
    }
  }

  /** As far apart as they may begin; those that cannot come within the time of one rate any more share it. */
  #spread(waitMs: number, rate: Rate, now: Instant): number {
    const earliest = now + waitMs;
    const next = Math.max(earliest, this.#told + intervalMs(rate));
    this.#told = next > earliest + rate.perMs ? earliest : next;
    return Math.ceil(this.#told - now);
  }

  /** From the leader: the next turn is decided from it. */
  async #load(): Promise<void> {
    const message = await this.#manager.streams.getMessage(limits.name, { last_by_subj: rateSubject(this.#jobType) });
    this.#sequence = (message?.seq ?? 0) as Sequence;
    this.#due = message === null ? undefined : parsed(message.string());
  }
}

/** What somebody else wrote there counts as no state: the next turn replaces it. */
function parsed(text: string): TheoreticalArrival | undefined {
  try {
    return Stored.parse(JSON.parse(text)).due;
  } catch {
    return undefined;
  }
}
