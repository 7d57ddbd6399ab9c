/** Decides, appends, acts, in this order (invariant 3): for occurrences that are due, and for commands. */
import { VersionConflictError } from '../domain/errors.ts';
import type { RunId, ScheduleId, Sequence } from '../domain/ids.ts';
import type { Actor } from '../domain/run-event.ts';
import type { DueFacts, Suspension, Verdict } from '../domain/schedule/due.ts';
import type { Occurrence, ScheduleState } from '../domain/schedule/schedule.ts';
import type { ScheduleEvent, ScheduleEventType } from '../domain/schedule/schedule-event.ts';
import { isFinal, outcomeOf } from '../domain/statechart/snapshot.ts';
import type { Clock, CommandSender, Identity, Log, RunLog, ScheduleLog } from './ports.ts';
import type { KnownSchedule, ScheduleBook } from './schedule-book.ts';

export interface ScheduleWriterOptions {
  readonly book: ScheduleBook;
  readonly schedules: ScheduleLog;
  readonly runs: RunLog;
  readonly commands: CommandSender;
  readonly clock: Clock;
  readonly identity: Identity;
  readonly log: Log;
  /** When all schedules were paused; asked at every occurrence. */
  readonly suspensions: () => Promise<readonly Suspension[]>;
}

/** What a decision is to be stored as. */
export interface Decision extends Verdict {
  readonly type: ScheduleEventType;
  readonly actor?: Actor | undefined;
  readonly command?: number;
}

const RETRY_MS = 5_000;

export class ScheduleWriter {
  readonly #options: ScheduleWriterOptions;
  #stopped = false;

  constructor(options: ScheduleWriterOptions) {
    this.#options = options;
  }

  /** What is on its way still arrives; nothing is tried again. */
  stop(): void {
    this.#stopped = true;
  }

  /**
   * Decides on the schedule as it is in the log, until the decision is the next event of it. Resolves once it is stored and what it asks for
   * is done, to the state after it; undefined: there was nothing to decide.
   */
  async write(
    id: ScheduleId,
    decide: (state: ScheduleState | undefined, facts: DueFacts) => Decision | undefined,
  ): Promise<ScheduleState | undefined> {
    for (let lost = false; ; lost = true) {
      const known = lost ? await this.#reload(id) : this.#options.book.get(id);
      const decision = decide(known?.state, await this.facts(known?.state));
      if (decision === undefined) return undefined;
      if (!(await this.#append(id, decision, known))) continue;
      await this.#act(decision);
      return decision.state;
    }
  }

  /** @throws what reading the runs throws. */
  async facts(state: ScheduleState | undefined): Promise<DueFacts> {
    const { clock, runs, suspensions } = this.#options;
    const ended = new Map<RunId, string>();
    if (state !== undefined) {
      for (const { runId } of state.running) {
        const last = await runs.last(state.spec.jobType, runId, 'fast');
        const snapshot = last?.event.data.snapshot;
        if (snapshot !== undefined && isFinal(snapshot)) ended.set(runId, outcomeOf(snapshot) ?? '');
      }
    }
    return { now: clock.now(), ended, suspensions: await suspensions() };
  }

  /** Starts again what may have been left unstarted by whoever stored the event: he may have died in between. */
  async startUnstarted({ state }: KnownSchedule): Promise<void> {
    const last = state.running.at(-1);
    if (last === undefined) return;
    if ((await this.#options.runs.last(state.spec.jobType, last.runId, 'fast')) === undefined) await this.#start(state, last);
  }

  async #append(id: ScheduleId, decision: Decision, known: KnownSchedule | undefined): Promise<boolean> {
    const { schedules, clock, identity, book } = this.#options;
    const { type, actor, command, state, entries, stretches } = decision;
    const event: ScheduleEvent = {
      id: identity.eventId(),
      source: identity.source,
      type,
      at: clock.now(),
      data: {
        ...(actor && { actor }),
        ...(command !== undefined && { command }),
        entries: [...entries],
        stretches: [...stretches],
        state: state as ScheduleEvent['data']['state'],
        previous: known?.hash ?? null,
      },
    };
    try {
      const { sequence, bytes } = await schedules.append(event, known?.sequence ?? (0 as Sequence));
      book.learn({ id, sequence, storedAt: event.at, bytes });
      return true;
    } catch (error) {
      if (error instanceof VersionConflictError) return false;
      throw error;
    }
  }

  /** Whoever was first may have died before he started what he decided: harmless to do it again (invariant 5). */
  async #reload(id: ScheduleId): Promise<KnownSchedule | undefined> {
    const { schedules, book } = this.#options;
    const last = await schedules.last(id);
    const event = last && book.learn(last);
    const known = book.get(id);
    const started = event?.data.entries.filter(({ fate, runId }) => fate === 'started' && runId !== undefined) ?? [];
    for (const { dueAt, runId } of started) await this.#start(known!.state, { dueAt, runId: runId! });
    return known;
  }

  async #act({ effects, state }: Decision): Promise<void> {
    for (const effect of effects) {
      if (effect.type === 'start') await this.#start(state, effect.occurrence, effect.lane);
      else await this.#untilSent(state.id, () => this.#cancel(state, effect.runId));
    }
  }

  #start({ id, spec }: ScheduleState, { dueAt, runId, triggered }: Occurrence, lane = spec.lane): Promise<void> {
    const { jobType, input } = spec;
    const due = new Date(dueAt).toISOString();
    const actor: Actor = { who: `schedule:${id}`, why: triggered ? `triggered at ${due}` : `due at ${due}` };
    return this.#untilSent(id, () =>
      this.#options.commands.start({ jobType, runId, lane, input, actor, messageId: `${id}@${jobType}/${runId}` }),
    );
  }

  async #cancel({ id, spec: { jobType } }: ScheduleState, runId: RunId): Promise<void> {
    const actor: Actor = { who: `schedule:${id}`, why: 'the next occurrence is due' };
    await this.#options.commands.signal(
      { jobType, runId },
      { event: { type: 'cancel' }, actor, optional: true, messageId: `${id}/cancel/${runId}` },
    );
  }

  /** The decision stands in the log, so it is carried out however long that takes; if we die, whoever starts next does it. */
  async #untilSent(id: ScheduleId, send: () => Promise<void>): Promise<void> {
    const { clock, log } = this.#options;
    for (;;) {
      try {
        return await send();
      } catch (err) {
        if (this.#stopped) throw err;
        log.error({ err, schedule: id }, 'a command of a schedule could not be sent; trying again');
        const { promise, resolve } = Promise.withResolvers<void>();
        clock.wakeAt((clock.now() + RETRY_MS) as never, resolve);
        await promise;
      }
    }
  }
}
