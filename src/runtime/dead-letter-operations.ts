/**
 * What people do with dead letters: look, send again, drop. One at a time and in the order they were written. A letter goes only after the
 * command is stored, if it is sent again, and after the audit says what was done (invariant 6): a crash in between leaves the letter.
 */
import { RUN_FAILED } from '../domain/dead-letter.ts';
import { AlmanacError, ConflictError, InvalidCommandError, NotFoundError, StorageRefusedError } from '../domain/errors.ts';
import type { Actor } from '../domain/run-event.ts';
import { commandForRun, restartCommand } from '../domain/start-command.ts';
import type { Clock, DeadLetterBox, DeadLetterFilter, StoredDeadLetter } from './ports.ts';

export type DeadLetterAction = 'redrive' | 'drop';

/** A letter without its body, and what would become of it. */
export interface PlannedLetter extends Omit<StoredDeadLetter, 'body' | 'headers'> {
  /** Why it cannot be sent again; null when it can, or is to be dropped. */
  readonly refusal: string | null;
}
/** `gone`: somebody else had been there first. */
export type SettledAs = 'redriven' | 'dropped' | 'gone' | 'refused';
export interface Settlement {
  readonly letters: readonly { readonly id: number; readonly result: SettledAs; readonly problem?: string }[];
  /** Those that were not tried any more, because of `problem`. */
  readonly left: number;
  readonly problem: string | null;
}

export class DeadLetterOperations {
  readonly #box: DeadLetterBox;
  readonly #clock: Pick<Clock, 'now'>;

  constructor(box: DeadLetterBox, clock: Pick<Clock, 'now'>) {
    this.#box = box;
    this.#clock = clock;
  }

  /** Newest first, without their bodies. */
  async list(filter: DeadLetterFilter, limit: number): Promise<StoredDeadLetter[]> {
    const letters: StoredDeadLetter[] = [];
    await this.#box.read(filter, 'head', (letter) => letters.push(letter));
    return letters.reverse().slice(0, limit);
  }

  /** @throws {NotFoundError} There is no such letter, or it is settled. */
  async show(id: number): Promise<StoredDeadLetter> {
    const letter = await this.#box.get(id);
    if (letter === undefined) throw nothingBy([id]);
    return letter;
  }

  /** What {@link carryOut} would do with every letter of the selection. */
  async plan(action: DeadLetterAction, filter: DeadLetterFilter): Promise<PlannedLetter[]> {
    const planned: PlannedLetter[] = [];
    await this.#box.read(filter, action === 'redrive' ? 'whole' : 'head', (letter) => planned.push(plannedOf(action, letter)));
    return planned;
  }

  /**
   * As {@link plan}, for letters that were named: all of them, or none.
   * @throws {NotFoundError} One of them does not exist.
   * @throws {ConflictError} One of them cannot be sent again.
   */
  async planNamed(action: DeadLetterAction, ids: readonly number[]): Promise<PlannedLetter[]> {
    const planned: PlannedLetter[] = [];
    const unknown: number[] = [];
    for (const id of new Set(ids)) {
      const letter = await this.#box.get(id);
      if (letter === undefined) unknown.push(id);
      else planned.push(plannedOf(action, letter));
    }
    if (unknown.length > 0) throw nothingBy(unknown);
    const refusals = planned.flatMap(({ id, refusal }) => (refusal === null ? [] : [`dead letter ${id} cannot be sent again: ${refusal}`]));
    if (refusals.length > 0) throw new ConflictError(refusals.join('\n'));
    return planned;
  }

  /** Safe to repeat, and for two people at once: a command is stored once, and a letter that is gone is said to be. */
  async carryOut(action: DeadLetterAction, planned: readonly Pick<PlannedLetter, 'id'>[], actor: Actor): Promise<Settlement> {
    const letters: Settlement['letters'][number][] = [];
    for (const { id } of planned) {
      try {
        letters.push({ id, result: await this.#settle(action, id, actor) });
      } catch (error) {
        if (isAboutOne(error)) letters.push({ id, result: 'refused', problem: error.message });
        else if (error instanceof AlmanacError) return { letters, left: planned.length - letters.length, problem: error.message };
        else throw error;
      }
    }
    return { letters, left: 0, problem: null };
  }

  async #settle(action: DeadLetterAction, id: number, actor: Actor): Promise<SettledAs> {
    const letter = await this.#box.get(id);
    if (letter === undefined) return 'gone';
    const done = action === 'redrive' ? 'redriven' : 'dropped';
    if (action === 'redrive') await this.#box.sendAgain(letter, commandOf(letter, actor));
    await this.#box.record(letter, done, actor, this.#clock.now());
    return (await this.#box.remove(id)) ? done : 'gone';
  }
}

/** @throws {ConflictError} @throws {InvalidCommandError} It cannot be sent again. */
function commandOf({ origin, code, runId, subject, sendable, body }: StoredDeadLetter, actor?: Actor): Uint8Array {
  if (subject === null) throw new ConflictError('it does not say where it came from, so Almanac did not write it');
  if (!sendable) throw new ConflictError(`it names ${subject}, where no such command may be sent`);
  if (origin !== 'run') return body;
  if (runId === null) throw new ConflictError('it does not say which run it is about');
  return code === RUN_FAILED ? restartCommand(runId, actor) : commandForRun(body, runId);
}

function plannedOf(action: DeadLetterAction, letter: StoredDeadLetter): PlannedLetter {
  const { body: _, headers: __, ...head } = letter;
  try {
    if (action === 'redrive') commandOf(letter);
    return { ...head, refusal: null };
  } catch (error) {
    if (!isAboutOne(error)) throw error;
    return { ...head, refusal: error.message };
  }
}

/** Anything else is about all of them: a full disk refuses the next one, too. */
const isAboutOne = (error: unknown): error is AlmanacError =>
  error instanceof ConflictError || error instanceof InvalidCommandError || (error instanceof StorageRefusedError && error.tooLarge);

const nothingBy = (ids: readonly number[]) =>
  new NotFoundError(`there is no dead letter ${ids.join(', ')}; see almanac dlq list. One that was sent again or dropped is gone`);
