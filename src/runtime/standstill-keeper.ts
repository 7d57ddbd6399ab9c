/** Knows whether all schedules stand still, and makes the log say what the vault's pause file says. */
import { VersionConflictError } from '../domain/errors.ts';
import type { Sequence } from '../domain/ids.ts';
import type { Actor } from '../domain/run-event.ts';
import type { Suspension } from '../domain/schedule/due.ts';
import { goOn, NO_STANDSTILL, type StandstillState, standStill } from '../domain/schedule/standstill.ts';
import type { Clock, Identity, Log, PauseSource, StandstillLog } from './ports.ts';

export interface StandstillKeeperOptions {
  readonly standstills: StandstillLog;
  readonly clock: Clock;
  readonly identity: Identity;
  readonly log: Log;
  /** @default none */
  readonly pauseSource?: PauseSource;
  /** Schedules stand still, or do not any more. */
  readonly onChange: () => void;
}

export class StandstillKeeper {
  readonly #options: StandstillKeeperOptions;
  readonly #following = new AbortController();
  #state = NO_STANDSTILL;
  #sequence = 0 as Sequence;
  /** About to begin. */
  #look: Promise<void> | undefined;

  constructor(options: StandstillKeeperOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { standstills, pauseSource, log } = this.#options;
    this.#learn(await standstills.last());
    standstills
      .follow(this.#sequence, this.#following.signal, (known) => this.#learn(known))
      .catch((err: unknown) => log.error({ err }, 'whether schedules are paused cannot be read any more'));
    await pauseSource?.onChange((pause) => void this.#heed(pause).catch((err: unknown) => log.error({ err }, 'a pause was not written')));
    await this.check();
  }

  stop(): void {
    this.#following.abort();
    this.#options.pauseSource?.close();
  }

  get state(): StandstillState {
    return this.#state;
  }

  /** Oldest first; the last one has no end while they stand still. */
  suspensions(): readonly Suspension[] {
    const { now, earlier } = this.#state;
    return now === undefined ? earlier : [...earlier, { since: now.since }];
  }

  /**
   * Looks at the pause file now: asked at every occurrence, so those that ask in the same turn share one look.
   * @throws {StorageRefusedError} The log takes no events at the moment.
   */
  check(): Promise<void> {
    this.#look ??= Promise.resolve().then(async () => {
      this.#look = undefined; // whoever asks from now on wants to know what comes after this
      await this.#heed(await this.#options.pauseSource?.isPaused());
    });
    return this.#look;
  }

  /** By a command. Undefined: it is so already. @throws as {@link check} */
  pause(note: string | undefined, actor: Actor | undefined): Promise<StandstillState | undefined> {
    const { clock } = this.#options;
    const more = { ...(note && { note }), ...(actor && { actor }) };
    return this.#write((state) => standStill(state, { since: clock.now(), cause: 'operator', ...more }), actor);
  }

  /** By a command. A pause file that is still there pauses again at once. @throws as {@link check} */
  resume(actor: Actor | undefined): Promise<StandstillState | undefined> {
    return this.#write((state) => goOn(state, this.#options.clock.now()), actor);
  }

  async #heed(pause: { readonly by: string } | undefined): Promise<void> {
    const { clock } = this.#options;
    if (pause !== undefined) {
      if (this.#state.now === undefined)
        await this.#write((state) => standStill(state, { since: clock.now(), cause: 'file', note: pause.by }));
    } else if (this.#state.now?.cause === 'file') {
      await this.#write((state) => (state.now?.cause === 'file' ? goOn(state, clock.now()) : undefined));
    }
  }

  async #write(decide: (state: StandstillState) => StandstillState | undefined, actor?: Actor): Promise<StandstillState | undefined> {
    const { standstills, clock, identity } = this.#options;
    for (;;) {
      const next = decide(this.#state);
      if (next === undefined) return undefined;
      const event = { eventId: identity.eventId(), source: identity.source, at: clock.now(), actor };
      try {
        this.#learn({ state: next, sequence: await standstills.append(next, event, this.#sequence) });
        return next;
      } catch (error) {
        if (!(error instanceof VersionConflictError)) throw error;
        this.#learn(await standstills.last());
      }
    }
  }

  #learn({ state, sequence }: { state: StandstillState; sequence: Sequence }): void {
    if (sequence <= this.#sequence) return;
    this.#sequence = sequence;
    this.#state = state;
    this.#options.onChange();
  }
}
