/**
 * What goes on outside for one run while this process holds it: activities and timers. Driven by effects that are already stored
 * (invariant 3); everything comes back through the mailbox, with the visit it belongs to.
 */
import type { Activities, ActivityContext } from '../domain/activity.ts';
import { OutputTooLargeError } from '../domain/errors.ts';
import type { Instant, JobTypeId, RunId } from '../domain/ids.ts';
import type { Effect } from '../domain/statechart/effect.ts';
import { serializeError } from '../domain/statechart/serialized-error.ts';
import { type ArmedTimer, outstanding, type Snapshot, type StartedActivity } from '../domain/statechart/snapshot.ts';
import { activityDone, activityFailed, timerFired } from '../domain/statechart/stimulus.ts';
import { childrenOf } from './children.ts';
import type { Mailbox } from './mailbox.ts';
import type { Announcer, Clock, CommandSender, Log } from './ports.ts';
import { stackOf } from './stack-of.ts';

export interface OutsideOptions {
  readonly jobType: JobTypeId;
  readonly runId: RunId;
  /** Of the definition the run is on, which is known once the run is loaded. */
  readonly activities: () => Activities;
  readonly mailbox: Mailbox;
  readonly clock: Clock;
  readonly announcer: Announcer;
  readonly commands: CommandSender;
  readonly log: Log;
  /** How long an activity that was told to stop may take. */
  readonly activityGraceMs: number;
}

/** An activity's output is stored in an event; larger results belong into an artifact. */
export const MAX_OUTPUT_BYTES = 48 * 1024;
/** Progress is for people: no more often than they can read. */
const PROGRESS_EVERY_MS = 250;

/** One start of an activity. Its AbortController is made when somebody looks: most short activities never do. */
class Running {
  settled: Promise<void> = Promise.resolve();
  #controller: AbortController | undefined;
  #reason: Error | undefined;

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#reason !== undefined) this.#controller.abort(this.#reason);
    return this.#controller.signal;
  }

  get aborted(): boolean {
    return this.#reason !== undefined;
  }

  abort(reason: string): void {
    this.#reason ??= new Error(reason);
    this.#controller?.abort(this.#reason);
  }
}

export class Outside {
  /** Of the run, for activities that start from now on. */
  traceparent: string | undefined;
  readonly #options: OutsideOptions;
  readonly #running = new Map<number, Running>();
  readonly #timers = new Map<number, () => void>();
  #lastStack: string | undefined;

  constructor(options: OutsideOptions) {
    this.#options = options;
  }

  /** Of the last activity that failed here, with what caused it. */
  get lastStack(): string | undefined {
    return this.#lastStack;
  }

  perform(effects: readonly Effect[]): void {
    for (const effect of effects) this.#perform(effect);
  }

  /** Makes the outside what a stored snapshot says it must be, whatever it was: for a new holder, and after losing to another writer. */
  align(snapshot: Snapshot): void {
    const wanted = outstanding(snapshot);
    const visits = new Set([...wanted.activities, ...wanted.timers].map(({ visit }) => visit));
    for (const visit of [...this.#running.keys(), ...this.#timers.keys()]) if (!visits.has(visit)) this.#stop(visit);
    for (const activity of wanted.activities) this.#start(activity);
    for (const timer of wanted.timers) this.#arm(timer);
  }

  /** Tells everything to stop and waits until it has; what has not at the end of the grace is left alone. Its results are not heard. */
  async stop(reason: string): Promise<void> {
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
    if (this.#running.size === 0) return;
    for (const running of this.#running.values()) running.abort(reason);
    const { clock, activityGraceMs, log, jobType, runId } = this.#options;
    const { promise: graceIsOver, resolve } = Promise.withResolvers<'grace is over'>();
    const cancel = clock.wakeAt((clock.now() + activityGraceMs) as Instant, () => resolve('grace is over'));
    const settled = Promise.all([...this.#running.values()].map((running) => running.settled));
    if ((await Promise.race([settled, graceIsOver])) === 'grace is over')
      log.error({ jobType, runId, activityGraceMs }, 'an activity does not heed its AbortSignal; it is left behind');
    cancel();
  }

  #perform(effect: Effect): void {
    switch (effect.type) {
      case 'startActivity':
        this.#start(effect);
        break;
      case 'armTimer':
        this.#arm(effect);
        break;
      case 'stopActivity':
      case 'cancelTimer':
        this.#stop(effect.visit);
        break;
      case 'log':
        this.#options.log.info({ label: effect.label, value: effect.value, runId: this.#options.runId }, 'statechart log');
        break;
      case 'send':
      case 'emit':
      case 'runAction':
        // lintForHost refuses such statecharts when they are registered
        throw new TypeError(`a registered statechart asked for '${effect.type}'`);
    }
  }

  #start({ id, visit, src, input }: Pick<StartedActivity, 'visit' | 'src' | 'input'> & { readonly id: string }): void {
    if (this.#running.has(visit)) return;
    const running = new Running();
    this.#running.set(visit, running);
    running.settled = this.#run(id, visit, src, input, running);
  }

  async #run(id: string, visit: number, src: string, input: unknown, running: Running): Promise<void> {
    const { activities, mailbox, runId } = this.#options;
    try {
      const output = await activities()[src]!(input, this.#context(id, visit, running));
      if (!running.aborted) mailbox.put(activityDone(id, visit, jsonOf(output, `${runId}/${id}`)));
    } catch (error) {
      if (running.aborted) return;
      this.#lastStack = stackOf(error);
      mailbox.put(activityFailed(id, visit, serializeError(error)));
    } finally {
      this.#running.delete(visit);
    }
  }

  #context(activityId: string, visit: number, running: Running): ActivityContext {
    const { jobType, runId, announcer, commands, log } = this.#options;
    let announcedAt = Number.NEGATIVE_INFINITY;
    const facts = { jobType, runId, activityId, visit };
    return {
      ...facts,
      idempotencyKey: `${runId}/${activityId}/${visit}`,
      traceparent: this.traceparent,
      get signal() {
        return running.signal;
      },
      progress(progress) {
        const complete = progress.done === progress.total;
        if (running.aborted || (!complete && performance.now() - announcedAt < PROGRESS_EVERY_MS)) return;
        announcedAt = performance.now();
        announcer.progress(jobType, runId, activityId, progress);
      },
      log: {
        info: (more, message) => log.info({ ...facts, ...more }, message),
        warn: (more, message) => log.warn({ ...facts, ...more }, message),
      },
      children: childrenOf({ jobType, runId }, commands),
    };
  }

  #arm(timer: ArmedTimer & { readonly id: string }): void {
    if (this.#timers.has(timer.visit)) return;
    const cancel = this.#options.clock.wakeAt(timer.dueAt, () => {
      this.#timers.delete(timer.visit);
      this.#options.mailbox.put(timerFired(timer.id, timer.visit, timer));
    });
    this.#timers.set(timer.visit, cancel);
  }

  #stop(visit: number): void {
    this.#timers.get(visit)?.();
    this.#timers.delete(visit);
    this.#running.get(visit)?.abort('the statechart left the state that asked for this');
  }
}

/** What the log would keep of an output. Done once here, so that the state built on it equals the state folded from the log. */
function jsonOf(output: unknown, where: string): unknown {
  const text = JSON.stringify(output);
  if (text === undefined) return undefined;
  // A character is at most three bytes, so most texts need not be measured.
  const bytes = text.length * 3 > MAX_OUTPUT_BYTES ? Buffer.byteLength(text) : text.length;
  if (bytes > MAX_OUTPUT_BYTES) throw new OutputTooLargeError(where, bytes, MAX_OUTPUT_BYTES);
  return typeof output === 'string' ? output : JSON.parse(text);
}
