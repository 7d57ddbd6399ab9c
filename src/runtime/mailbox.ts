/** What has happened to a run and is not decided upon yet. One reader: its holder. */
import type { Stimulus } from '../domain/statechart/stimulus.ts';

/** `moved`: somebody else has appended to the run. */
type Heard = Stimulus | 'moved';

export class Mailbox {
  readonly #heard: Heard[] = [];
  #wake: (() => void) | undefined;
  #closed = false;

  put(heard: Heard): void {
    if (this.#closed) return; // the holder has stopped: the next one starts what is outstanding again
    if (heard === 'moved' && this.#heard.includes('moved')) return; // one look sees everything that has happened before it
    this.#heard.push(heard);
    this.#wake?.();
  }

  /** The next one, in order of arrival; undefined once closed. */
  async take(): Promise<Heard | undefined> {
    while (this.#heard.length === 0 && !this.#closed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
    return this.#closed ? undefined : this.#heard.shift();
  }

  close(): void {
    this.#closed = true;
    this.#wake?.();
  }
}
