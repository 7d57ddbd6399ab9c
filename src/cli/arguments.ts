/** What is typed after an option or a command, as the value it stands for. Commander names the option when one of these refuses. */
import { InvalidArgumentError } from 'commander';
import { type Instant, instant, type RunId, runId, type ScheduleId, scheduleId } from '../domain/ids.ts';

const TIME = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d))?$/;

/** Only what means the same to everybody: a date is midnight UTC, and a time says its zone. */
export function time(text: string): Instant {
  const at = TIME.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at)) throw new InvalidArgumentError('Write it like 2026-11-23T02:00:00Z, 2026-11-23T03:00+01:00 or 2026-11-23.');
  return instant(at);
}

export function count(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError('It must be a whole number from 1 to 999999.');
  return Number(text);
}

/** Whole numbers from 0. */
export const upTo =
  (most: number) =>
  (text: string): number => {
    if (!/^\d{1,9}$/.test(text) || Number(text) > most) throw new InvalidArgumentError(`It must be a whole number from 0 to ${most}.`);
    return Number(text);
  };

/** For times to wait: a day at most. */
export function seconds(text: string): number {
  if (!/^\d{1,5}(\.\d{1,3})?$/.test(text) || Number(text) > 86_400) throw new InvalidArgumentError('It must be seconds, from 0 to 86400.');
  return Number(text);
}

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `10m`, `1h30m`, `90s`: in milliseconds. */
export function duration(text: string): number {
  if (!/^(\d{1,9}(ms|[smhd]))+$/.test(text)) throw new InvalidArgumentError('Write it like 90s, 10m, 1h30m or 2d.');
  return [...text.matchAll(/(\d+)(ms|[smhd])/g)].reduce((sum, [, count, unit]) => sum + Number(count) * UNITS_MS[unit!]!, 0);
}

/** As {@link time}; `none` takes it away. */
export const timeOrNone = (text: string): Instant | null => (text === 'none' ? null : time(text));

/** Commander hands over what it has collected so far. */
export function runIds(text: string, before: readonly RunId[] = []): RunId[] {
  return [...before, runId(text)];
}

/** As {@link runIds}. */
export function letterIds(text: string, before: readonly number[] = []): number[] {
  return [...before, letterId(text)];
}

/** As {@link runIds}. */
export function scheduleIds(text: string, before: readonly ScheduleId[] = []): ScheduleId[] {
  return [...before, scheduleId(text)];
}

export function letterId(text: string): number {
  if (!/^[1-9]\d{0,14}$/.test(text)) throw new InvalidArgumentError('It must be a number that almanac dlq list shows.');
  return Number(text);
}

export function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new InvalidArgumentError(`It is not JSON: ${(error as SyntaxError).message}`);
  }
}

/** What an event has beside its type. */
export function payload(text: string): Record<string, unknown> {
  const value = json(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new InvalidArgumentError('It must be a JSON object.');
  if ('type' in value) throw new InvalidArgumentError('It must not have a "type": that is the argument before it.');
  return { ...value };
}
