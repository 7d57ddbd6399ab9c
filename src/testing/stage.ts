/** Carries out what a test says its activities come to, notes every call, and knows when nothing moves any more. */
import type { Activities, Activity, ActivityContext } from '../domain/activity.ts';
import { JobTypeError } from '../domain/errors.ts';
import { instant } from '../domain/ids.ts';
import type { Outcome, Script } from './outcomes.ts';
import type { VirtualClock } from './virtual-clock.ts';

export interface Call {
  /** Its name in the statechart's `actors`; of a `defineJob` step, the step's. */
  readonly activity: string;
  /** The same when it is started again after a crash. */
  readonly idempotencyKey: string;
  /** ISO 8601, UTC, by the virtual clock. */
  readonly at: string;
  readonly input: unknown;
}

/** After so many turns at one instant, something goes round in circles. */
const MOST_TURNS = 10_000;

export class Stage {
  readonly calls: Call[] = [];
  readonly #clock: VirtualClock;
  readonly #scripts: Readonly<Record<string, Script>>;
  readonly #patienceMs: number;
  /** Code of the job that has not returned. */
  readonly #working = new Map<symbol, { readonly name: string; readonly returned: Promise<void> }>();
  #problem: Error | undefined;

  constructor(clock: VirtualClock, scripts: Readonly<Record<string, Script>>, patienceMs: number) {
    this.#clock = clock;
    this.#scripts = scripts;
    this.#patienceMs = patienceMs;
  }

  /** @throws {JobTypeError} The test names an activity that the job does not have. */
  activitiesFor(declared: readonly string[], own: Activities): Activities {
    const unknown = Object.keys(this.#scripts).filter((name) => !declared.includes(name));
    if (unknown.length > 0)
      throw new JobTypeError(`the job has no activity ${unknown.join(', ')}; it has: ${declared.join(', ') || 'none'}`);
    const scripts: Readonly<Record<string, Script>> = { ...own, ...this.#scripts };
    return Object.fromEntries(Object.entries(scripts).map(([name, script]) => [name, this.#played(name, script)]));
  }

  /** Resolves when nothing more happens at this instant. @throws what keeps the test from being played to here */
  async still(): Promise<void> {
    for (let turns = 0; ; turns++) {
      await new Promise((resolve) => setImmediate(resolve)); // promises that can go on have done so before
      if (this.#problem !== undefined) throw this.#problem;
      if (this.#working.size > 0) await this.#someoneReturns();
      else if (!this.#clock.isRinging) return;
      if (turns > MOST_TURNS) throw new Error('the run does not come to rest: it goes on and on at one instant, without any wait');
    }
  }

  #played(name: string, script: Script): Activity<unknown, unknown> {
    return async (input, context) => {
      const { idempotencyKey } = context;
      const earlier = this.calls.filter(({ activity }) => activity === name).length;
      this.calls.push({ activity: name, idempotencyKey, at: new Date(this.#clock.now()).toISOString(), input });
      const what = 'length' in script && typeof script !== 'function' ? script[earlier] : script;
      if (what !== undefined) return this.#play(name, what, input, context);
      this.#problem ??= new Error(`${name} was called ${earlier + 1} times: say what the call comes to, the test has ${earlier}`);
      return untilAborted(context.signal);
    };
  }

  async #play(name: string, what: Outcome | Activities[string], input: unknown, context: ActivityContext): Promise<unknown> {
    if (typeof what === 'function') return this.#run(name, () => what(input, context));
    switch (what.kind) {
      case 'succeeds':
        return what.output;
      case 'fails':
        throw what.error;
      case 'hangs':
        return untilAborted(context.signal);
      case 'lasts':
        await this.#pass(what.ms, context.signal);
        return this.#play(name, what.then, input, context);
    }
  }

  async #run(name: string, code: () => Promise<unknown>): Promise<unknown> {
    const key = Symbol(name);
    const { promise: returned, resolve } = Promise.withResolvers<void>();
    this.#working.set(key, { name, returned });
    try {
      return await code();
    } finally {
      this.#working.delete(key);
      resolve();
    }
  }

  #pass(ms: number, signal: AbortSignal): Promise<unknown> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#clock.wakeAt(instant(this.#clock.now() + ms), resolve);
    signal.addEventListener('abort', cancel, { once: true });
    return Promise.race([promise, untilAborted(signal)]);
  }

  async #someoneReturns(): Promise<void> {
    const names = [...this.#working.values()].map(({ name }) => name).join(', ');
    const { promise: impatient, reject } = Promise.withResolvers<never>();
    const advice = 'say what it comes to instead, e.g. hangs() or lasts(60_000), or raise patienceMs';
    const giveUp = () => reject(new Error(`${names} has not returned in ${this.#patienceMs} ms of real time: ${advice}`));
    const timer = setTimeout(giveUp, this.#patienceMs);
    try {
      await Promise.race([impatient, ...[...this.#working.values()].map(({ returned }) => returned)]);
    } finally {
      clearTimeout(timer);
    }
  }
}

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
