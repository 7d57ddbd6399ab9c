/** A dependency that is out of order, or has enough to do, is left alone: circuit breaker, bulkhead, time limit. */
import { BulkheadRejectedError, bulkhead } from 'cockatiel';
import { DependencyTimeoutError, UnavailableError } from '../../domain/errors.ts';
import type { BreakerLimits, Dependency, DependencyLimits } from '../../runtime/activity-makers.ts';
import type { Clock, DependencyObserver } from '../../runtime/ports.ts';
import { Breaker } from './breaker.ts';
import { withinTime } from './within-time.ts';

const DEFAULT_BREAKER: BreakerLimits = { consecutive: 5 };
/** When every place is taken: nobody knows how long. */
const ASK_AGAIN_MS = 2_000;

/** @throws {RangeError} A limit is out of range. */
export function dependency(name: string, limits: DependencyLimits, observer: DependencyObserver, clock: Clock): Dependency {
  requireWholeNumbers(name, limits);
  const { timeoutMs } = limits;
  const places = bulkhead(limits.bulkhead?.concurrent ?? Number.POSITIVE_INFINITY, limits.bulkhead?.queue ?? 0);
  const breaker = new Breaker(name, limits.breaker ?? DEFAULT_BREAKER, observer, clock);
  const error = () => new DependencyTimeoutError(name, timeoutMs!);
  return {
    name,
    async run(work, signal) {
      signal.throwIfAborted();
      breaker.refuse(); // those that can be refused now need not wait for a place
      const { promise: leftTheQueue, reject } = Promise.withResolvers<never>();
      const leave = () => reject(signal.reason);
      signal.addEventListener('abort', leave, { once: true });
      const onTurn = () => {
        signal.removeEventListener('abort', leave); // from here on it is the work that ends
        return breaker.execute(
          () => (timeoutMs === undefined ? work(signal) : withinTime({ timeoutMs, clock, error }, work, signal)),
          signal,
        );
      };
      try {
        return await Promise.race([places.execute(onTurn, signal), leftTheQueue]);
      } catch (failure) {
        if (!(failure instanceof BulkheadRejectedError)) throw failure;
        observer.refused(name, 'bulkhead');
        throw new UnavailableError(name, 'too many calls at once', ASK_AGAIN_MS);
      } finally {
        signal.removeEventListener('abort', leave);
      }
    },
  };
}

/** The same dependency whenever the same name is asked for. */
export function dependencies(limits: DependencyLimits, observer: DependencyObserver, clock: Clock): (name: string) => Dependency {
  const known = new Map<string, Dependency>();
  return (name) => {
    const one = known.get(name) ?? dependency(name, limits, observer, clock);
    known.set(name, one);
    return one;
  };
}

function requireWholeNumbers(name: string, { breaker, bulkhead, timeoutMs }: DependencyLimits): void {
  for (const [limit, value] of Object.entries({ ...breaker, share: undefined, concurrent: bulkhead?.concurrent, timeoutMs })) {
    if (value === undefined || (Number.isSafeInteger(value) && value > 0)) continue;
    throw new RangeError(`dependency ${name}: ${limit} is ${value}: use a whole number from 1`);
  }
}
