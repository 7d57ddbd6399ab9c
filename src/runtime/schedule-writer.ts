/** Decides, appends, acts, in this order (invariant 3): for occurrences that are due, and for commands. */
import { VersionConflictError } from '../domain/errors.ts';
import { isoTime, type RunId, type ScheduleId, type Sequence } from '../domain/ids.ts';
import type { Actor } from '../domain/run-event.ts';
import { type DueFacts, type ScheduleEffect, type Suspension, type Verdict, watchesRuns } from '../domain/schedule/due.ts';
import type { Occurrence, ScheduleState } from '../domain/schedule/schedule.ts';
import { type ScheduleEvent, type ScheduleEventType, scheduleEventBytes } from '../domain/schedule/schedule-event.ts';
import type { Clock, CommandSender, Identity, Log, ScheduleLog } from './ports.ts';
import type { RunEnds } from './run-ends.ts';
import { type KnownSchedule, type OwnEvent, type ScheduleBook, undoneOf } from './schedule-book.ts';

export interface ScheduleWriterOptions {
  readonly book: ScheduleBook;
  readonly schedules: ScheduleLog;
  readonly ends: RunEnds;
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
/** For so long, and well beyond, the server knows a command that comes again. */
const REPEATS_KNOWN_MS = 60_000;

const NONE: ReadonlyMap<RunId, string> = new Map();

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
   *
   * @param decide Is also told which event is the last one of the schedule.
   * @param asks Whether the decision needs to know which runs have ended: that is a request for each. @default always
   */
  async write(
    id: ScheduleId,
    decide: (state: ScheduleState | undefined, facts: DueFacts, sequence: Sequence | undefined) => Decision | undefined,
    asks: (state: ScheduleState) => boolean = () => true,
  ): Promise<ScheduleState | undefined> {
    for (let lost = false; ; lost = true) {
      const known = lost ? await this.#reload(id) : this.#options.book.get(id);
      const isAsked = known !== undefined && known.state.running.length > 0 && asks(known.state);
      const ended = isAsked ? await this.#options.ends.of(known) : NONE;
      const suspensions = await this.#options.suspensions();
      const decision = decide(known?.state, { now: this.#options.clock.now(), ended, suspensions }, known?.sequence);
      if (decision === undefined) return undefined;
      if (known?.undone !== undefined) await this.finish(known);
      const sequence = await this.#append(id, decision, known);
      if (sequence === undefined) continue;
      for (const effect of decision.effects) await this.#carryOut(decision.state, effect);
      this.#options.book.done(id, sequence);
      return decision.state;
    }
  }

  /**
   * Sees to it that what the last event of a schedule asks for is done: whoever stored it may have died before he had. So only the last
   * event of a schedule can be undone, and doing it again is harmless (invariant 5).
   */
  async finish(known: KnownSchedule): Promise<void> {
    const { clock, book } = this.#options;
    const { state, sequence, undone } = known;
    if (undone === undefined) return;
    const isRecent = clock.now() - undone.since < REPEATS_KNOWN_MS;
    for (const effect of undone.effects) if (isRecent || !(await this.#isDone(known, effect))) await this.#carryOut(state, effect);
    book.done(state.id, sequence);
  }

  #isDone({ state: { spec }, sequence }: KnownSchedule, effect: ScheduleEffect): Promise<boolean> {
    const { ends } = this.#options;
    const { jobType } = spec;
    return effect.type === 'start'
      ? ends.wasAskedFor({ jobType, runId: effect.occurrence.runId }, sequence)
      : ends.hasEnded({ jobType, runId: effect.runId });
  }

  /** @returns undefined: somebody else's event was stored first. */
  async #append(id: ScheduleId, decision: Decision, known: KnownSchedule | undefined): Promise<Sequence | undefined> {
    const { schedules, clock, identity, book } = this.#options;
    const { type, actor, command, state, entries, stretches, effects } = decision;
    const at = clock.now();
    const event: ScheduleEvent = {
      id: identity.eventId(),
      source: identity.source,
      type,
      at,
      data: {
        ...(actor && { actor }),
        ...(command !== undefined && { command }),
        entries,
        stretches,
        effects,
        state,
        previous: known?.hash ?? null,
      },
    };
    const own: OwnEvent = { bytes: scheduleEventBytes(event), state, undone: undoneOf(effects, at) };
    book.expect(id, own);
    let sequence: Sequence | undefined;
    try {
      sequence = await schedules.append(id, event.id, own.bytes, known?.sequence ?? (0 as Sequence));
    } catch (error) {
      if (!(error instanceof VersionConflictError)) throw error;
    } finally {
      book.settle(id, own, sequence);
    }
    return sequence;
  }

  /** Whoever follows the log is not told again of what is learned here, so what that asks for is seen to here, too. */
  async #reload(id: ScheduleId): Promise<KnownSchedule | undefined> {
    const { schedules, book } = this.#options;
    const last = await schedules.last(id);
    const news = last && book.learn(last);
    if (news !== undefined) await this.finish(news);
    return book.get(id);
  }

  #carryOut(state: ScheduleState, effect: ScheduleEffect): Promise<void> {
    const send =
      effect.type === 'start' ? () => this.#start(state, effect.occurrence, effect.lane) : () => this.#cancel(state, effect.runId);
    return this.#untilSent(state.id, send);
  }

  async #start(state: ScheduleState, { dueAt, runId, triggered }: Occurrence, lane = state.spec.lane): Promise<void> {
    const { id, spec } = state;
    const { jobType, input } = spec;
    const { commands, ends } = this.#options;
    const due = isoTime(dueAt);
    const actor: Actor = { who: `schedule:${id}`, why: triggered ? `triggered at ${due}` : `due at ${due}` };
    const place = await commands.start({ jobType, runId, lane, input, actor, messageId: `${id}@${jobType}/${runId}` });
    if (watchesRuns(state)) ends.sent({ jobType, runId }, place);
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
