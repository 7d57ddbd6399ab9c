/**
 * How many runs a process carries out at once, over all its feeds: who asks the server for leases asks here first, so that a lease that
 * comes finds a free slot. Bookkeeping only.
 *
 * While the feeds together cannot want more than there is, it is a counter. Otherwise those that wait take turns, in proportion to their
 * weights, so that no feed waits for ever however much another one has to do.
 */
export interface FeedSlots {
  /** No feed ever has to wait: none can take from another what it does not use. */
  readonly plenty: boolean;
  /** The most this feed may have. */
  readonly most: number;
  /** Called with the number of slots that this feed has from now on, to be given back. Perhaps from within `want`. */
  onGranted: (count: number) => void;
  /** So many more slots are wanted from now on, whatever was said before: 0 for none. Granted at once or when it is its turn. */
  want(count: number): void;
  /** For a lease that came unasked. False: nothing is free, and this feed comes first when something is. */
  takeOne(): boolean;
  giveBack(count: number): void;
  /** Wants nothing any more. What it has, it still gives back. */
  leave(): void;
}

interface Member {
  readonly weight: number;
  readonly slots: FeedSlots;
  wanted: number;
  /** How much of its turn has been saved up: smooth weighted round robin. */
  credit: number;
}

export class SlotPool {
  readonly #capacity: number;
  readonly #members = new Set<Member>();
  /** Turned away with a lease in hand. */
  readonly #first = new Set<Member>();
  #free: number;
  /** What all feeds together could want. */
  #most = 0;
  #waiting = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
    this.#free = capacity;
  }

  /** @param weight How many turns it has, compared with others. */
  join(limit: number, weight = 1): FeedSlots {
    const pool = this;
    const most = Math.min(limit, this.#capacity);
    const slots: FeedSlots = {
      most,
      get plenty() {
        return pool.#most <= pool.#capacity;
      },
      onGranted: () => undefined,
      want: (count) => this.#want(member, count),
      takeOne: () => this.#takeOne(member),
      giveBack: (count) => this.#giveBack(count),
      leave: () => this.#leave(member),
    };
    const member: Member = { weight, slots, wanted: 0, credit: 0 };
    this.#members.add(member);
    this.#most += most;
    return slots;
  }

  #want(member: Member, count: number): void {
    if (!this.#members.has(member)) return;
    if (this.#free >= count && this.#waiting === 0) {
      this.#free -= count;
      if (count > 0) member.slots.onGranted(count);
      return;
    }
    this.#wait(member, count);
    this.#share();
  }

  #wait(member: Member, count: number): void {
    if (member.wanted === 0 && count > 0) this.#waiting++;
    if (member.wanted > 0 && count === 0) this.#waiting--;
    member.wanted = count;
    if (count === 0) this.#first.delete(member);
  }

  #takeOne(member: Member): boolean {
    if (this.#free > 0) {
      this.#free--;
      return true;
    }
    if (this.#members.has(member)) this.#first.add(member);
    return false;
  }

  #giveBack(count: number): void {
    this.#free += count;
    if (this.#waiting > 0) this.#share();
  }

  #share(): void {
    const granted = new Map<Member, number>();
    while (this.#free > 0 && this.#waiting > 0) {
      const member = this.#next();
      this.#free--;
      this.#first.delete(member);
      this.#wait(member, member.wanted - 1);
      granted.set(member, (granted.get(member) ?? 0) + 1);
    }
    for (const [{ slots }, count] of granted) slots.onGranted(count);
  }

  #next(): Member {
    for (const member of this.#first) if (member.wanted > 0) return member;
    let next: Member | undefined;
    let weights = 0;
    for (const member of this.#members) {
      if (member.wanted === 0) continue;
      weights += member.weight;
      member.credit += member.weight;
      if (next === undefined || member.credit > next.credit) next = member;
    }
    next!.credit -= weights;
    return next!;
  }

  #leave(member: Member): void {
    if (!this.#members.delete(member)) return;
    this.#wait(member, 0);
    this.#first.delete(member);
    this.#most -= member.slots.most;
  }
}
