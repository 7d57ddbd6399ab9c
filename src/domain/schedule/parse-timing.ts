/** What people write about the time of a schedule, checked once, at the edge. */
import { z } from 'zod';
import { InvalidScheduleError } from '../errors.ts';
import { type Instant, isoTime } from '../ids.ts';
import { cronCalendar } from './cron-calendar.ts';
import { exclusionProblem, isExcluded } from './exclusions.ts';
import { nextOccurrence } from './occurrences.ts';
import { EARLIEST, LATEST, type Timing, type Trigger } from './timing.ts';
import { timeZoneProblem } from './zone-clock.ts';

const MAX_CRON_LENGTH = 256;
const MAX_EXCLUSIONS = 1_000;
const MAX_JITTER_MS = 86_400_000;
const MIN_INTERVAL_MS = 1_000;

const At = z
  .string(`must be text like "2026-11-23T03:00:00Z"`)
  .max(40, 'is too long for an instant')
  .pipe(
    z.iso.datetime({ offset: true, error: 'must be an ISO 8601 instant of the years 1970 to 9999 with a zone, e.g. 2026-11-23T03:00:00Z' }),
  )
  .transform((text) => Date.parse(text) as Instant)
  .refine((at) => at >= EARLIEST && at <= LATEST, 'must lie in the years 1970 to 9999');
const WholeMs = z.number('must be a whole number of milliseconds').refine(Number.isSafeInteger, 'must be a whole number of milliseconds');

const Written = z.strictObject({
  cron: z
    .string('must be text like "0 3 * * *"')
    .max(MAX_CRON_LENGTH, `must have at most ${MAX_CRON_LENGTH} characters`)
    .transform((text) => text.trim().split(/\s+/).join(' '))
    .superRefine((cron, { addIssue }) => {
      const message = cronProblem(cron);
      if (message !== undefined) addIssue({ code: 'custom', message });
    })
    .optional(),
  everyMs: WholeMs.min(MIN_INTERVAL_MS, `must be at least ${MIN_INTERVAL_MS}: a schedule is due once a second at most`).optional(),
  anchor: At.optional(),
  at: At.optional(),
  timeZone: z
    .string('must be text like "Europe/Berlin"')
    .max(64, 'must have at most 64 characters')
    .superRefine((name, { addIssue }) => {
      const message = timeZoneProblem(name);
      if (message !== undefined) addIssue({ code: 'custom', message });
    }),
  dst: z
    .strictObject({
      gap: z.enum(['run-after', 'skip'], 'must be "run-after" or "skip"').default('run-after'),
      overlap: z.enum(['first', 'second', 'both'], 'must be "first", "second" or "both"').default('first'),
    })
    .prefault({}),
  startAt: At.optional(),
  endAt: At.optional(),
  exclusions: z
    .array(
      z
        .string('must be text like "2026-12-25"')
        .max(21, 'must be a day like 2026-12-25 or a range like 2026-12-24/2026-12-26')
        .superRefine((entry, { addIssue }) => {
          const problem = exclusionProblem(entry);
          if (problem !== undefined) addIssue({ code: 'custom', message: `${JSON.stringify(entry)} ${problem}` });
        }),
      'must be a list of days like ["2026-12-25", "2026-12-24/2026-12-26"]',
    )
    .max(MAX_EXCLUSIONS, `must have at most ${MAX_EXCLUSIONS} entries: use ranges`)
    .default([]),
  jitterMs: WholeMs.min(0, 'must not be negative').max(MAX_JITTER_MS, `must be at most ${MAX_JITTER_MS}, a day`).default(0),
});
type Written = z.infer<typeof Written>;

/**
 * One of `cron`, `everyMs` (with `anchor`, which is `startAt` or else 1970 when it is not given) and `at`; everything else has a default.
 * @throws {InvalidScheduleError} The message lists what is wrong and what to write instead.
 */
export function parseTiming(input: unknown, defaults: { readonly timeZone: string }): Timing {
  const isObject = typeof input === 'object' && input !== null && !Array.isArray(input);
  const parsed = Written.safeParse(isObject ? { ...input, timeZone: (input as Partial<Written>).timeZone ?? defaults.timeZone } : input);
  if (!parsed.success) throw new InvalidScheduleError(z.prettifyError(parsed.error), { cause: parsed.error });
  const { timeZone, dst, startAt, endAt, exclusions, jitterMs } = parsed.data;
  const timing: Timing = {
    trigger: triggerOf(parsed.data),
    timeZone,
    dst,
    ...(startAt !== undefined && { startAt }),
    ...(endAt !== undefined && { endAt }),
    exclusions,
    jitterMs,
  };
  const problem = boundsProblem(timing) ?? neverProblem(timing) ?? jitterProblem(timing);
  if (problem !== undefined) throw new InvalidScheduleError(problem);
  return timing;
}

function triggerOf({ cron, everyMs, anchor, at, startAt }: Written): Trigger {
  const given = Object.entries({ cron, everyMs, at }).flatMap(([name, value]) => (value === undefined ? [] : [name]));
  if (given.length !== 1) {
    throw new InvalidScheduleError(
      `give exactly one of cron, everyMs and at; here are ${given.length === 0 ? 'none' : given.join(' and ')}`,
    );
  }
  if (anchor !== undefined && everyMs === undefined) throw new InvalidScheduleError('anchor belongs to everyMs: leave it out here');
  if (cron !== undefined) return { kind: 'cron', cron };
  if (everyMs !== undefined) return { kind: 'interval', everyMs, anchor: anchor ?? startAt ?? EARLIEST };
  return { kind: 'once', at: at! };
}

function cronProblem(cron: string): string | undefined {
  const help = 'write minute, hour, day of month, month and weekday, with seconds before them if you need them, e.g. "0 3 * * 1-5"';
  try {
    cronCalendar(cron);
    return undefined;
  } catch (error) {
    return `${JSON.stringify(cron)}: ${(error as Error).message.replace(/^CronPattern: /, '')}: ${help}`;
  }
}

function boundsProblem({ startAt, endAt }: Timing): string | undefined {
  if (startAt === undefined || endAt === undefined || startAt <= endAt) return undefined;
  return `endAt ${isoTime(endAt)} is before startAt ${isoTime(startAt)}: nothing would ever be due`;
}

function neverProblem(timing: Timing): string | undefined {
  const { trigger, startAt = EARLIEST, endAt = LATEST, timeZone, dst } = timing;
  if (nextOccurrence(timing, (startAt - 1) as Instant) !== undefined) {
    if (trigger.kind !== 'once' || !isExcluded(timing, trigger.at)) return undefined;
    return `at ${isoTime(trigger.at)} is on an excluded day of ${timeZone}: choose another time or take the day out of exclusions`;
  }
  const between = `between ${isoTime(startAt)} and ${isoTime(endAt)}`;
  switch (trigger.kind) {
    case 'cron':
      return `cron ${JSON.stringify(trigger.cron)} is never due ${between} in ${timeZone} with gap "${dst.gap}": is there such a day?`;
    case 'interval':
      return `everyMs ${trigger.everyMs} from ${isoTime(trigger.anchor)} on is never due ${between}: choose a shorter interval or other bounds`;
    case 'once':
      return `at ${isoTime(trigger.at)} is not ${between}: change it, startAt or endAt`;
  }
}

/** An occurrence must have started before the next is due, or their order would be lost. */
function jitterProblem({ trigger, jitterMs }: Timing): string | undefined {
  if (jitterMs === 0 || trigger.kind === 'once') return undefined;
  const gapMs = trigger.kind === 'interval' ? trigger.everyMs : cronCalendar(trigger.cron).shortestGapMs;
  if (jitterMs < gapMs) return undefined;
  return `jitterMs ${jitterMs} is too long: the schedule is due again after ${gapMs} ms, and jitter has to be shorter than that`;
}
