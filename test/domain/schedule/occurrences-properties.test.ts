import { Cron } from 'croner';
import { describe, expect, it } from 'vitest';
import type { Instant } from '../../../src/domain/ids.ts';
import { cronCalendar } from '../../../src/domain/schedule/cron-calendar.ts';
import {
  isOccurrence,
  nextOccurrence,
  occurrencesAfter,
  occurrencesBefore,
  previousOccurrence,
} from '../../../src/domain/schedule/occurrences.ts';
import { parseTiming } from '../../../src/domain/schedule/parse-timing.ts';
import type { Timing } from '../../../src/domain/schedule/timing.ts';
import { SeededRandom } from '../../support/seeded-random.ts';

const ZONES = [
  ...['UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Pacific/Apia', 'Africa/Cairo', 'Africa/Casablanca'],
  ...[
    'Antarctica/Troll',
    'Asia/Kathmandu',
    'America/Santiago',
    'Africa/Monrovia',
    'Pacific/Kiritimati',
    'America/Caracas',
    'Asia/Pyongyang',
  ],
];
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

function randomField(random: SeededRandom, [min, max]: readonly [number, number]): string {
  const value = () => min + random.int(max - min + 1);
  const [low, high] = [value(), value()].sort((a, b) => a - b) as [number, number];
  return random.pick(['*', '*', `${low}`, `${low}-${high}`, `${low},${high}`, `*/${1 + random.int(Math.min(9, max - min))}`]);
}
function randomCron(random: SeededRandom): string {
  const seconds = random.chance(0.1) ? `${randomField(random, [0, 59])} ` : '';
  const [minute, hour] = [randomField(random, [0, 59]), random.chance(0.5) ? `${random.int(5)}` : randomField(random, [0, 23])];
  const day = random.chance(0.5) ? '*' : random.pick(['L', '15W', randomField(random, [1, 28])]);
  const month = random.chance(0.7) ? '*' : randomField(random, [1, 12]);
  const weekday = random.chance(0.6) ? '*' : random.pick(['0#1', '5L', '+1', 'MON-FRI', randomField(random, [0, 6])]);
  return `${seconds}${minute} ${hour} ${day} ${month} ${weekday}`;
}
function randomTiming(random: SeededRandom, now: number): Timing {
  const input = random.pick([
    () => ({ cron: randomCron(random) }),
    () => ({ cron: randomCron(random) }),
    () => ({ everyMs: 1_000 + random.int(40 * DAY), anchor: new Date(now + random.int(DAY) - random.int(90 * DAY)).toISOString() }),
  ])();
  const bounds = random.chance(0.2) ? { startAt: new Date(now - DAY).toISOString(), endAt: new Date(now + 400 * DAY).toISOString() } : {};
  const dst = { gap: random.pick(['run-after', 'skip']), overlap: random.pick(['first', 'second', 'both']) };
  return parseTiming({ ...input, ...bounds, dst }, { timeZone: random.pick(ZONES) });
}

describe('of 600 random schedules', () => {
  const random = new SeededRandom('occurrences');
  const cases = Array.from({ length: 600 }, () => {
    const from = random.chance(0.05)
      ? Date.UTC(9998, random.int(12), 1)
      : Date.UTC(1971 + random.int(75), random.int(12), 1 + random.int(28));
    for (;;) {
      try {
        return { timing: randomTiming(random, from), from };
      } catch (error) {
        expect((error as Error).message).toMatch(/never due/); // a random pattern may name no day at all
      }
    }
  });

  it('both directions find the same set, strictly in order, within the range, and nothing else is an occurrence', () => {
    let found = 0;
    for (const { timing, from } of cases) {
      const first = [...firstOnes(occurrencesAfter(timing, from as Instant, (from + 420 * DAY) as Instant), 400)];
      const until = first.length === 400 ? first.at(-1)! : ((from + 420 * DAY) as Instant);
      const what = JSON.stringify({ timing, from });
      expect([...occurrencesBefore(timing, until, from as Instant)].reverse(), what).toEqual(first);
      for (const [index, at] of first.entries()) {
        expect(at, what).toBeGreaterThan(index === 0 ? from : first[index - 1]!);
        expect(isOccurrence(timing, at), what).toBe(true);
        expect(isOccurrence(timing, (at + 1) as Instant) || isOccurrence(timing, (at - 1) as Instant), what).toBe(false);
      }
      found += first.length;
    }
    expect(found).toBeGreaterThan(20_000);
  });

  it('next and previous undo each other, from any instant', () => {
    for (const { timing, from } of cases) {
      const at = (from + random.int(400 * DAY)) as Instant;
      const next = nextOccurrence(timing, at);
      const previous = previousOccurrence(timing, (at + 1) as Instant);
      const what = JSON.stringify({ timing, at });
      if (next !== undefined) expect(previousOccurrence(timing, next), what).toBe(previous);
      if (previous !== undefined) expect(nextOccurrence(timing, previous), what).toBe(next);
    }
  });
});

it('names the same times as croner, in both directions', () => {
  const random = new SeededRandom('croner');
  for (let round = 0; round < 400; round++) {
    const cron = randomCron(random);
    const croner = new Cron(cron, { utcOffset: 0 });
    const calendar = cronCalendar(cron);
    const local = Date.UTC(
      1900 + random.int(900),
      random.int(12),
      random.int(28),
      random.int(24),
      random.int(60),
      random.int(60),
      random.int(3),
    );
    const next = croner.nextRun(new Date(local))?.getTime();
    expect(calendar.atOrAfter(Math.floor(local / 1_000) * 1_000 + 1), cron).toBe(next);
    expect(calendar.before(local), cron).toBe(croner.previousRuns(1, new Date(local))[0]?.getTime());
    if (next !== undefined) expect(calendar.atOrAfter(next), cron).toBe(next);
  }
});

function* firstOnes<Item>(items: Iterable<Item>, count: number): Generator<Item> {
  let left = count;
  for (const item of items) {
    if (left-- === 0) return;
    yield item;
  }
}
