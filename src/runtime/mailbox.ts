/** What has happened to a run and is not decided upon yet. One reader: its holder. */
import type { Stimulus } from '../domain/statechart/stimulus.ts';

export class Mailbox {
  readonly #stimuli: Stimulus[] = [];
  #wake: (() => void) | undefined;
  #closed = false;

  put(stimulus: Stimulus): void {
    if (this.#closed) return; // the holder has stopped: the next one starts what is outstanding again
    this.#stimuli.push(stimulus);
    this.#wake?.();
  }

  /** The next one, in order of arrival; undefined once closed. */
  async take(): Promise<Stimulus | undefined> {
    while (this.#stimuli.length === 0 && !this.#closed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
    return this.#closed ? undefined : this.#stimuli.shift();
  }

  close(): void {
    this.#closed = true;
    this.#wake?.();
  }
}
