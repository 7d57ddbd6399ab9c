import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../../src/adapters/system/clock.ts';
import { instant } from '../../../src/domain/ids.ts';

const START = Date.parse('2026-11-23T02:00:00.000Z');
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

/** Only here: everywhere else the clock is a port. */
beforeEach(() => void vi.useFakeTimers({ now: START, toFake: ['setTimeout', 'clearTimeout', 'Date'] }));
afterEach(() => void vi.useRealTimers());

function wakeIn(ms: number) {
  const wakes: number[] = [];
  const cancel = systemClock.wakeAt(instant(START + ms), () => wakes.push(systemClock.now() - START));
  return { wakes, cancel };
}

describe('the clock of the system', () => {
  it.each([1, 90 * MINUTE_MS, 2 ** 31 + 1])('calls back once, after just %i ms', (ms) => {
    const { wakes } = wakeIn(ms);
    vi.advanceTimersByTime(ms - 1);
    expect(wakes).toEqual([]);
    vi.advanceTimersByTime(HOUR_MS);
    expect(wakes).toEqual([ms]);
  });

  it('calls back in another turn when the time has passed, without the millisecond that a timer takes', async () => {
    const { wakes } = wakeIn(-HOUR_MS);
    expect(wakes).toEqual([]);
    await nextTurn();
    expect(wakes).toEqual([0]);
  });

  it('never calls back once it is cancelled before that turn', async () => {
    const { wakes, cancel } = wakeIn(-HOUR_MS);
    cancel();
    await nextTurn();
    expect(wakes).toEqual([]);
  });

  it('never calls back once it is cancelled, also after it has looked', () => {
    const { wakes, cancel } = wakeIn(HOUR_MS);
    vi.advanceTimersByTime(10 * MINUTE_MS);
    cancel();
    vi.advanceTimersByTime(2 * HOUR_MS);
    expect(wakes).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('notices within a minute that time has jumped ahead, as after a suspend', () => {
    const { wakes } = wakeIn(5 * HOUR_MS);
    vi.advanceTimersByTime(MINUTE_MS / 2);
    vi.setSystemTime(START + 8 * HOUR_MS);
    vi.advanceTimersByTime(MINUTE_MS);
    expect(wakes).toEqual([8 * HOUR_MS + MINUTE_MS / 2]);
  });

  it('waits for its time to come again when it was put back', () => {
    const { wakes } = wakeIn(MINUTE_MS / 2);
    vi.setSystemTime(START - HOUR_MS);
    vi.advanceTimersByTime(HOUR_MS);
    expect(wakes).toEqual([]);
    vi.advanceTimersByTime(MINUTE_MS);
    expect(wakes).toEqual([MINUTE_MS / 2]);
  });
});
