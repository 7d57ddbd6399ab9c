import { describe, expect, it } from 'vitest';
import { type Instant, instant } from '../../src/domain/ids.ts';
import type { Clock } from '../../src/runtime/ports.ts';
import { TimerHeap } from '../../src/runtime/timer-heap.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const START = '2026-11-23T02:00:00.000Z';
const at = (text: string): Instant => instant(Date.parse(text));
const inMs = (ms: number): string => new Date(Date.parse(START) + ms).toISOString();
const soon = () => new Promise((resolve) => setImmediate(resolve));

function heapOn(clock: Clock) {
  const rung: { at: string; keys: readonly string[] }[] = [];
  const heap = new TimerHeap({ clock, onDue: (keys) => rung.push({ at: new Date(clock.now()).toISOString(), keys }) });
  return { heap, rung };
}

describe('a timer heap', () => {
  it('calls each key back at its time, those of one instant together and by name', () => {
    const clock = new VirtualClock(START);
    const { heap, rung } = heapOn(clock);
    heap.set('b', at('2026-11-23T03:00:00.000Z'));
    heap.set('c', at('2026-11-23T02:30:00.000Z'));
    heap.set('a', at('2026-11-23T03:00:00.000Z'));
    clock.advanceTo('2026-11-23T04:00:00.000Z');
    expect(rung).toEqual([
      { at: '2026-11-23T02:30:00.000Z', keys: ['c'] },
      { at: '2026-11-23T03:00:00.000Z', keys: ['a', 'b'] },
    ]);
    expect(heap.size).toBe(0);
    expect(clock.nextAlarm).toBeUndefined();
  });

  it('moves a key that is set again, earlier or later', () => {
    const clock = new VirtualClock(START);
    const { heap, rung } = heapOn(clock);
    heap.set('a', at('2026-11-23T03:00:00.000Z'));
    heap.set('b', at('2026-11-23T03:30:00.000Z'));
    heap.set('a', at('2026-11-23T05:00:00.000Z'));
    heap.set('b', at('2026-11-23T02:10:00.000Z'));
    expect(heap.size).toBe(2);
    clock.advanceTo('2026-11-23T06:00:00.000Z');
    expect(rung.map(({ at, keys }) => [at, ...keys])).toEqual([
      ['2026-11-23T02:10:00.000Z', 'b'],
      ['2026-11-23T05:00:00.000Z', 'a'],
    ]);
  });

  it('has no timer for what was deleted', () => {
    const clock = new VirtualClock(START);
    const { heap } = heapOn(clock);
    heap.set('a', at('2026-11-23T03:00:00.000Z'));
    heap.set('b', at('2026-11-23T04:00:00.000Z'));
    expect(heap.delete('a')).toBe(true);
    expect(heap.delete('a')).toBe(false);
    expect(clock.nextAlarm).toBe('2026-11-23T04:00:00.000Z');
    heap.delete('b');
    expect(clock.nextAlarm).toBeUndefined();
  });

  it('calls back what is due already, but not from within set', async () => {
    const clock = new VirtualClock(START);
    const { heap, rung } = heapOn(clock);
    heap.set('late', at('2026-11-23T01:00:00.000Z'));
    expect(rung).toEqual([]);
    await soon();
    expect(rung).toEqual([{ at: START, keys: ['late'] }]);
  });

  it('lets the callback set and delete', () => {
    const clock = new VirtualClock(START);
    const times: string[] = [];
    const heap = new TimerHeap({
      clock,
      onDue: (keys) => {
        times.push(`${new Date(clock.now()).toISOString().slice(11, 16)} ${keys}`);
        heap.delete('never');
        if (times.length < 3) heap.set('hourly', instant(clock.now() + 3_600_000));
      },
    });
    heap.set('hourly', at('2026-11-23T03:00:00.000Z'));
    heap.set('never', at('2026-11-23T03:30:00.000Z'));
    clock.advanceTo('2026-11-24T00:00:00.000Z');
    expect(times).toEqual(['03:00 hourly', '04:00 hourly', '05:00 hourly']);
  });

  it('calls nothing back once it is stopped, and leaves no timer', () => {
    const clock = new VirtualClock(START);
    const { heap, rung } = heapOn(clock);
    heap.set('a', at('2026-11-23T03:00:00.000Z'));
    heap.stop();
    heap.set('b', at('2026-11-23T03:00:00.000Z'));
    expect([heap.size, clock.nextAlarm]).toEqual([0, undefined]);
    clock.advanceTo('2026-11-24T00:00:00.000Z');
    expect(rung).toEqual([]);
  });

  it('stands over one timer, set anew only when another key comes first, however many there are', () => {
    const clock = new VirtualClock(START);
    let timers = 0;
    let most = 0;
    let armed = 0;
    const counting: Clock = {
      now: () => clock.now(),
      wakeAt(dueAt, callback) {
        timers += 1;
        armed += 1;
        most = Math.max(most, timers);
        const cancel = clock.wakeAt(dueAt, () => {
          timers -= 1;
          callback();
        });
        return () => {
          timers -= 1;
          cancel();
        };
      },
    };
    const { heap, rung } = heapOn(counting);
    const random = new SeededRandom('many');
    for (let number = 0; number < 100_000; number += 1) {
      heap.set(`schedule-${number}`, instant(Date.parse(START) + 1 + random.int(86_400_000)));
    }
    expect([heap.size, most]).toEqual([100_000, 1]);
    expect(armed).toBeLessThan(50); // a new minimum of n random numbers comes ln n times
    clock.jumpTo('2026-11-24T02:00:00.000Z');
    expect(rung).toHaveLength(1);
    expect(new Set(rung[0]!.keys).size).toBe(100_000);
    expect(timers).toBe(0);
  });
});

describe('when the clock jumps, a timer heap', () => {
  it('calls back all that became due, in order, in one go', () => {
    const clock = new VirtualClock(START);
    const { heap, rung } = heapOn(clock);
    for (const hour of [5, 3, 9, 4]) heap.set(`at-${hour}`, at(`2026-11-23T0${hour}:00:00.000Z`));
    clock.jumpTo('2026-11-23T08:00:00.000Z');
    expect(rung).toEqual([{ at: '2026-11-23T08:00:00.000Z', keys: ['at-3', 'at-4', 'at-5'] }]);
    expect(clock.nextAlarm).toBe('2026-11-23T09:00:00.000Z');
  });

  it('waits for the time to come again after a jump back', () => {
    const clock = new VirtualClock(START);
    const { heap, rung } = heapOn(clock);
    heap.set('a', at('2026-11-23T03:00:00.000Z'));
    clock.jumpTo('2026-11-22T03:00:00.000Z');
    clock.advanceTo('2026-11-23T02:59:59.999Z');
    expect(rung).toEqual([]);
    clock.advanceTo('2026-11-23T03:00:00.000Z');
    expect(rung).toEqual([{ at: '2026-11-23T03:00:00.000Z', keys: ['a'] }]);
  });

  it('fires nothing early when the clock was put back while its timer was ringing', async () => {
    const clock = new VirtualClock(START);
    const { heap, rung } = heapOn(clock);
    heap.set('a', at(START)); // due: the clock rings in the next turn
    clock.jumpTo('2026-11-23T01:00:00.000Z');
    await soon();
    expect(rung).toEqual([]);
    expect(clock.nextAlarm).toBe(START);
    clock.advanceTo(START);
    expect(rung).toEqual([{ at: START, keys: ['a'] }]);
  });
});

/** What the heap has to be: every key with its time, searched from end to end. */
class Naive {
  readonly #dueAts = new Map<string, Instant>();
  set = (key: string, dueAt: Instant) => void this.#dueAts.set(key, dueAt);
  delete = (key: string) => this.#dueAts.delete(key);
  get size() {
    return this.#dueAts.size;
  }
  get earliest() {
    return this.size === 0 ? undefined : new Date(Math.min(...this.#dueAts.values())).toISOString();
  }
  takeDue(now: Instant): string[] {
    const due = [...this.#dueAts].filter(([, dueAt]) => dueAt <= now);
    for (const [key] of due) this.#dueAts.delete(key);
    return due.sort(([a, aDue], [b, bDue]) => aDue - bDue || (a < b ? -1 : 1)).map(([key]) => key);
  }
}

it.each(Array.from({ length: 60 }, (_, seed) => seed))('does what a search through all keys would do (seed %i)', async (seed) => {
  const random = new SeededRandom(`timer-heap:${seed}`);
  const clock = new VirtualClock(START);
  const { heap, rung } = heapOn(clock);
  const naive = new Naive();
  const keys = 2 + random.int(60);
  const spreadMs = random.pick([5, 500, 1e6, 3e10]);
  const expected: string[] = [];
  for (let step = 0; step < 400; step += 1) {
    const key = `key-${random.int(keys)}`;
    const choice = random.int(20);
    if (choice < 12) {
      const dueAt = instant(clock.now() + 1 + random.int(spreadMs));
      heap.set(key, dueAt);
      naive.set(key, dueAt);
    } else if (choice < 16) expect(heap.delete(key)).toBe(naive.delete(key));
    else {
      const to = instant(clock.now() + random.int(spreadMs) - (choice === 16 ? spreadMs : 0));
      clock.jumpTo(new Date(to).toISOString());
      expected.push(...naive.takeDue(to));
    }
    expect([heap.size, clock.nextAlarm]).toEqual([naive.size, naive.earliest]);
  }
  clock.advanceTo(inMs(1e12));
  await soon();
  expected.push(...naive.takeDue(clock.now()));
  expect(rung.flatMap((ring) => ring.keys)).toEqual(expected);
  expect(expected.length).toBeGreaterThan(0);
});
