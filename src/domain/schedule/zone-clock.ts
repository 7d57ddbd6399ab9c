/** How the clocks of a time zone go, from the time zone data that Node brings along. */
import type { LocalTime } from './cron-calendar.ts';
import { RecentlyUsed } from './recently-used.ts';

/** A time in which the clocks are not touched. Two spans that meet may have the same offset. */
export interface Span {
  /** First instant of it. */
  readonly start: number;
  /** First instant after it. */
  readonly end: number;
  /** Local time minus UTC, in milliseconds. */
  readonly offset: number;
}

const HOUR = 3_600_000;
/** Longer than any zone is away from UTC: at most so far from `local` as an instant, the clock shows `local`. */
const FARTHEST_OFFSET = 16 * HOUR;
/** How often the clock is read to find its changes: between two readings there is one change at most. */
const PROBE_MS = 24 * HOUR;
const BLOCK_MS = 16 * PROBE_MS;

const clocks = new RecentlyUsed<Intl.DateTimeFormat>(500);
const problems = new RecentlyUsed<{ readonly text: string | undefined }>(1_000);
const blocks = new RecentlyUsed<readonly Span[]>(10_000);

/** The span that an instant is in. */
export function spanAt(timeZone: string, at: number): Span {
  const spans = blockAt(timeZone, Math.floor(at / BLOCK_MS));
  return spans.find(({ end }) => at < end)!;
}

/** Every instant at which the clock shows this, in order: none in a gap, two when it is set back. */
export function readings(timeZone: string, local: LocalTime): number[] {
  const found: number[] = [];
  let span = spanAt(timeZone, local - FARTHEST_OFFSET);
  for (;;) {
    const at = local - span.offset;
    if (at >= span.start && at < span.end) found.push(at);
    if (span.end > local + FARTHEST_OFFSET) return found;
    span = spanAt(timeZone, span.end);
  }
}

/** Day on the calendar of the zone, e.g. `2026-12-24`. */
export function localDay(timeZone: string, at: number): string {
  return new Date(at + spanAt(timeZone, at).offset).toISOString().slice(0, 10);
}

/**
 * Undefined when the name can be used: one with a place in it, or UTC. Otherwise what is wrong with it and what to write: others (`CET`,
 * `+02:00`, `PST8PDT`) say less than people mean by them.
 */
export const timeZoneProblem = (name: string): string | undefined => problems.get(name, () => ({ text: problemOf(name) })).text;

function problemOf(name: string): string | undefined {
  const shown = JSON.stringify(name);
  const example = 'use UTC or a name of the IANA database, e.g. Europe/Berlin';
  let meant: string;
  try {
    meant = new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone;
  } catch {
    return `${shown} is not a time zone: ${example}`;
  }
  if (meant === 'UTC' || name.includes('/')) return undefined;
  if (/^[+-]/.test(name)) return `${shown} is an offset, which does not say when the clocks change: ${example}`;
  return `${shown} is an abbreviation or an old name: write ${meant} if that is what you mean, or another place`;
}

function blockAt(timeZone: string, index: number): readonly Span[] {
  return blocks.get(`${timeZone} ${index}`, () => {
    const spans: Span[] = [];
    const end = (index + 1) * BLOCK_MS;
    let start = index * BLOCK_MS;
    let offset = offsetAt(timeZone, start);
    for (let probe = start + PROBE_MS; probe <= end; probe += PROBE_MS) {
      const next = offsetAt(timeZone, probe);
      if (next === offset) continue;
      const change = changeBetween(timeZone, probe - PROBE_MS, probe);
      if (change < end) {
        spans.push({ start, end: change, offset });
        start = change;
        offset = next;
      }
    }
    spans.push({ start, end, offset });
    return spans;
  });
}

/** The first instant with the offset that the clock has at `later`. Clocks change at whole seconds. */
function changeBetween(timeZone: string, earlier: number, later: number): number {
  const before = offsetAt(timeZone, earlier);
  let [low, high] = [earlier / 1_000, later / 1_000];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offsetAt(timeZone, middle * 1_000) === before) low = middle;
    else high = middle;
  }
  return high * 1_000;
}

function offsetAt(timeZone: string, at: number): number {
  const clock = clocks.get(timeZone, () => new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' }));
  const [, sign, hours, minutes, seconds = '0'] = /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(clock.format(at))!;
  if (sign === undefined) return 0;
  const ms = Number(hours) * HOUR + Number(minutes) * 60_000 + Number(seconds) * 1_000;
  return sign === '-' ? -ms : ms;
}
