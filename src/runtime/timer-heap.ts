/**
 * Any number of wake-ups over one timer: a binary heap of (due time, key). The timer stands at the head's time; the clock is asked again
 * whenever it rings, so a clock put back fires nothing early, and one put forward (or a machine that was suspended) fires all that
 * became due.
 */
import type { Instant } from '../domain/ids.ts';
import type { Clock } from './ports.ts';

export interface TimerHeapOptions {
  readonly clock: Clock;
  /** All keys that are due, earliest first, those of one instant by name. They are no longer in the heap: it may set them again. */
  readonly onDue: (keys: readonly string[]) => void;
}

export class TimerHeap {
  readonly #options: TimerHeapOptions;
  // Slot `i` of both lists is one entry; its children are `2i + 1` and `2i + 2`. Two flat lists instead of objects: half the memory.
  readonly #dueAts: Instant[] = [];
  readonly #keys: string[] = [];
  readonly #slots = new Map<string, number>();
  #alarm: { readonly at: Instant; readonly cancel: () => void } | undefined;
  #stopped = false;

  constructor(options: TimerHeapOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#keys.length;
  }

  /** Wakes `key` at `dueAt`, instead of when it was due before. What is due already is called back soon, never from within this call. */
  set(key: string, dueAt: Instant): void {
    if (this.#stopped) return;
    const slot = this.#slots.get(key) ?? this.#keys.length;
    this.#place(slot, dueAt, key);
    this.#settle(slot);
    this.#arm();
  }

  /** @returns Whether it was there. */
  delete(key: string): boolean {
    const slot = this.#slots.get(key);
    if (slot === undefined) return false;
    this.#remove(slot);
    this.#arm();
    return true;
  }

  /** Nothing is called back any more, and nothing can be set. */
  stop(): void {
    this.#stopped = true;
    this.#dueAts.length = 0;
    this.#keys.length = 0;
    this.#slots.clear();
    this.#arm();
  }

  #arm(): void {
    const at = this.#dueAts[0];
    if (at === this.#alarm?.at) return;
    this.#alarm?.cancel();
    this.#alarm = at === undefined ? undefined : { at, cancel: this.#options.clock.wakeAt(at, () => this.#ring()) };
  }

  #ring(): void {
    this.#alarm = undefined;
    const now = this.#options.clock.now();
    const due: string[] = [];
    while (this.#keys.length > 0 && this.#dueAts[0]! <= now) {
      due.push(this.#keys[0]!);
      this.#remove(0);
    }
    this.#arm();
    if (due.length > 0) this.#options.onDue(due);
  }

  /** The last entry fills the gap and finds its place from there. */
  #remove(slot: number): void {
    this.#slots.delete(this.#keys[slot]!);
    const dueAt = this.#dueAts.pop()!;
    const key = this.#keys.pop()!;
    if (slot === this.#keys.length) return;
    this.#place(slot, dueAt, key);
    this.#settle(slot);
  }

  #place(slot: number, dueAt: Instant, key: string): void {
    this.#dueAts[slot] = dueAt;
    this.#keys[slot] = key;
    this.#slots.set(key, slot);
  }

  /** Moves the entry at `from` up or down until no child is before its parent. */
  #settle(from: number): void {
    const dueAt = this.#dueAts[from]!;
    const key = this.#keys[from]!;
    let slot = from;
    for (
      let parent = (slot - 1) >> 1;
      slot > 0 && isBefore(dueAt, key, this.#dueAts[parent]!, this.#keys[parent]!);
      parent = (slot - 1) >> 1
    ) {
      this.#place(slot, this.#dueAts[parent]!, this.#keys[parent]!);
      slot = parent;
    }
    for (let child = this.#firstChild(slot); child < this.#keys.length; child = this.#firstChild(slot)) {
      if (!isBefore(this.#dueAts[child]!, this.#keys[child]!, dueAt, key)) break;
      this.#place(slot, this.#dueAts[child]!, this.#keys[child]!);
      slot = child;
    }
    if (slot !== from) this.#place(slot, dueAt, key);
  }

  /** The child of `slot` that is due first; beyond the end when it has none. */
  #firstChild(slot: number): number {
    const left = 2 * slot + 1;
    const right = left + 1;
    if (right >= this.#keys.length) return left;
    return isBefore(this.#dueAts[right]!, this.#keys[right]!, this.#dueAts[left]!, this.#keys[left]!) ? right : left;
  }
}

const isBefore = (dueAt: Instant, key: string, otherDueAt: Instant, otherKey: string): boolean =>
  dueAt < otherDueAt || (dueAt === otherDueAt && key < otherKey);
