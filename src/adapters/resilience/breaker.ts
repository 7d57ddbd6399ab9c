/** A circuit breaker that refuses calls while it is open, instead of letting them wait. */
import { type CircuitBreakerPolicy, CircuitState, ConsecutiveBreaker, CountBreaker, circuitBreaker, handleWhen } from 'cockatiel';
import { UnavailableError } from '../../domain/errors.ts';
import { instant } from '../../domain/ids.ts';
import type { BreakerLimits } from '../../runtime/activity-makers.ts';
import type { BreakerState, Clock, DependencyObserver } from '../../runtime/ports.ts';

const DEFAULT_OPEN_MS = 10_000;
/** While a probe is on its way: nobody knows how long. */
const ASK_AGAIN_MS = 2_000;
/** A probe that has not failed by then is well on its way: nobody else waits for its end, which may be hours away. */
const PROBE_PASSED_MS = 60_000;

const STATES: Partial<Record<CircuitState, BreakerState>> = {
  [CircuitState.Closed]: 'closed',
  [CircuitState.Open]: 'open',
  [CircuitState.HalfOpen]: 'halfOpen',
};

/** Around an error that says nothing about the dependency: nobody wanted the result any more, or something else was out of order. */
class Undecided extends Error {}

export class Breaker {
  readonly #name: string;
  readonly #observer: DependencyObserver;
  readonly #clock: Clock;
  readonly #policy: CircuitBreakerPolicy;
  #openUntil = 0;

  constructor(name: string, limits: BreakerLimits, observer: DependencyObserver, clock: Clock) {
    const { openMs = DEFAULT_OPEN_MS } = limits;
    this.#name = name;
    this.#observer = observer;
    this.#clock = clock;
    this.#policy = circuitBreaker(
      handleWhen((error) => (error instanceof Undecided ? this.#policy.state === CircuitState.HalfOpen : isFailure(error))),
      { halfOpenAfter: openMs, breaker: countingOf(limits) },
    );
    this.#policy.onStateChange((state) => {
      if (state === CircuitState.Open) this.#openUntil = clock.now() + openMs;
      observer.breaker(name, STATES[state]!);
    });
  }

  /** @throws {UnavailableError} It is open, or half open with its probe on the way. */
  refuse(): void {
    const { state } = this.#policy;
    const openMs = this.#openUntil - this.#clock.now();
    if (state === CircuitState.Open && openMs > 0) this.#refuse('its circuit breaker is open', openMs);
    if (state === CircuitState.HalfOpen) this.#refuse('its circuit breaker waits for the result of a probe', ASK_AGAIN_MS);
  }

  /** @throws as {@link refuse}, and whatever `call` throws. */
  async execute<Result>(call: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
    this.refuse();
    const decided = async () => {
      try {
        return await call();
      } catch (error) {
        throw signal.aborted || isUnavailable(error) ? new Undecided(undefined, { cause: error }) : error;
      }
    };
    try {
      return this.#policy.state === CircuitState.Closed ? await this.#policy.execute(decided) : await this.#probe(decided);
    } catch (error) {
      throw error instanceof Undecided ? error.cause : error;
    }
  }

  async #probe<Result>(call: () => Promise<Result>): Promise<Result> {
    const { promise: passed, resolve } = Promise.withResolvers<void>();
    const cancel = this.#clock.wakeAt(instant(this.#clock.now() + PROBE_PASSED_MS), resolve);
    const { promise: result, resolve: begin } = Promise.withResolvers<Result>();
    const begun = () => {
      begin(call());
      return Promise.race([result, passed]);
    };
    await this.#policy.execute(begun).finally(cancel);
    return result;
  }

  #refuse(reason: string, retryAfterMs: number): never {
    this.#observer.refused(this.#name, 'breaker');
    throw new UnavailableError(this.#name, reason, retryAfterMs);
  }
}

function countingOf(limits: BreakerLimits): ConsecutiveBreaker | CountBreaker {
  if ('share' in limits) return new CountBreaker({ threshold: limits.share, size: limits.ofLast });
  return new ConsecutiveBreaker(limits.consecutive);
}

/** What is the caller's fault would be refused by a dependency in good health, too. */
const isFailure = (error: unknown): boolean => (error as { retryable?: unknown } | null)?.retryable !== false;
const isUnavailable = (error: unknown): boolean => (error as { unavailable?: unknown } | null)?.unavailable === true;
