/**
 * The pause that ClarifAI's UI sets: a file in the vault's root (contracts §12.1), of any content. AUTOMATION_PAUSE does the same from the
 * environment.
 */
import { type FSWatcher, watch } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { errorCode } from './vault-walk.ts';

const PAUSE_FILE = '.aclarai_pause';
/** What the folder's events tell at once is found by looking at the latest after this: shared and network folders have no events. */
const LOOK_EVERY_MS = 1_000;

export interface Pause {
  /** What pauses, in plain words, with the way to resume. */
  readonly by: string;
}
export type PauseListener = (pause: Pause | undefined) => void;

export interface PauseFileOptions {
  readonly vaultRoot: string;
  /** AUTOMATION_PAUSE: pauses for as long as this process lives. */
  readonly automationPause: boolean;
}

export class PauseFile {
  readonly #root: string;
  readonly #automationPause: boolean;
  readonly #listeners = new Set<PauseListener>();
  /** Looks, one after the other, so that what listeners hear is in order and a folder that does not answer is asked once. */
  #looks: Promise<void> = Promise.resolve();
  #lookIsQueued = false;
  #known: Pause | undefined;
  #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor({ vaultRoot, automationPause }: PauseFileOptions) {
    this.#root = resolve(vaultRoot);
    this.#automationPause = automationPause;
  }

  /**
   * Looks at the folder each time. Anything of that name pauses: also a folder, which a container engine makes of a missing mount, or a
   * link to nothing. Without a vault there is no pause; where it cannot be told there is one, because a pause must not be overlooked.
   */
  async isPaused(): Promise<Pause | undefined> {
    if (this.#automationPause) return { by: 'AUTOMATION_PAUSE=true in the environment: remove it and restart to resume' };
    const path = join(this.#root, PAUSE_FILE);
    try {
      const found = await lstat(path);
      return { by: `${found.isDirectory() ? 'the folder' : 'the file'} ${path}: remove it to resume` };
    } catch (error) {
      const code = errorCode(error);
      if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
      return { by: `doubt, because ${path} cannot be looked at (${code}): let the user of this process read the vault to resume` };
    }
  }

  /**
   * Tells the listener of every change, from now on and within two seconds. A pause that comes and goes in less may not be noticed.
   * @returns Once changes are noticed: whether it is paused at this time.
   */
  async onChange(listener: PauseListener): Promise<Pause | undefined> {
    await this.#look();
    if (this.#closed) return this.#known;
    this.#listeners.add(listener);
    if (this.#timer === undefined) this.#watchOn();
    return this.#known;
  }

  /** Nobody is told anything any more, and nothing of this keeps the process alive. */
  close(): void {
    this.#closed = true;
    this.#listeners.clear();
    clearTimeout(this.#timer);
    this.#watcher?.close();
  }

  #look(): Promise<void> {
    if (this.#lookIsQueued) return this.#looks; // it has not begun, so it will see what is true now
    this.#lookIsQueued = true;
    this.#looks = this.#looks.then(async () => {
      this.#lookIsQueued = false;
      const found = await this.isPaused();
      if (this.#closed || found?.by === this.#known?.by) return;
      this.#known = found;
      for (const listener of this.#listeners) listener(found);
    });
    return this.#looks;
  }

  #watchOn(): void {
    this.#watcher ??= this.#watchFolder();
    this.#timer = setTimeout(() => {
      void this.#look().then(() => {
        if (!this.#closed) this.#watchOn();
      });
    }, LOOK_EVERY_MS).unref();
  }

  /** Undefined where there is no folder yet, or the system has no watches left: then looking is all we do until the next try. */
  #watchFolder(): FSWatcher | undefined {
    try {
      const watcher = watch(this.#root, { persistent: false }, (_, name) => {
        if (name === null || name === PAUSE_FILE) void this.#look();
      });
      watcher.on('error', () => {
        watcher.close();
        this.#watcher = undefined;
      });
      return watcher;
    } catch {
      return undefined;
    }
  }
}
