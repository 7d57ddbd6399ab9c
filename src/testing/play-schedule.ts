/** One schedule over a made-up time, decided by the code of production: what became of each occurrence, and by which rule. */
import { type Instant, instant, type RunId, scheduleId } from '../domain/ids.ts';
import type { Suspension } from '../domain/schedule/due.ts';
import type { Entry, Stretch } from '../domain/schedule/ledger.ts';
import { Rehearsal, type RehearsedRun } from '../domain/schedule/rehearsal.ts';
import type { ScheduleState } from '../domain/schedule/schedule.ts';
import { parseScheduleCommand, type ScheduleCommand } from '../domain/schedule/schedule-command.ts';
import type { ScheduleEvent } from '../domain/schedule/schedule-event.ts';
import { goOn, NO_STANDSTILL, type StandstillState, standStill } from '../domain/schedule/standstill.ts';
import { spanAt } from '../domain/schedule/zone-clock.ts';
import { instantOf } from './instant-of.ts';
import { RecordedLedger } from './recorded-ledger.ts';

/** As `cmd.schedule.<id>` takes them; see `docs/schedules.md`. */
type WrittenCommand =
  | { readonly do: 'update'; readonly spec: object }
  | { readonly do: 'pause'; readonly note?: string }
  | { readonly do: 'resume' | 'delete' }
  | { readonly do: 'trigger'; readonly key?: string; readonly overlap?: ScheduleState['spec']['overlap'] };
/** @param at ISO 8601. */
export type ScheduleHappening = { readonly at: string } & (
  | WrittenCommand
  /** No process decides anything, and commands wait: all are stopped, or the machine sleeps. Runs that are on go on. */
  | { readonly do: 'down'; readonly until: string }
  /** Of all schedules, as by the pause file or `AUTOMATION_PAUSE`. */
  | { readonly do: 'pause-all' | 'resume-all' }
);

export interface PlayScheduleOptions {
  /** When it is created, ISO 8601: occurrences after it are its own. */
  readonly from: string;
  /** Inclusive. */
  readonly until: string;
  /** How long a run lasts, in milliseconds, and how it ends. @default at once, well */
  readonly runs?: (run: { readonly dueAt: string; readonly runId: RunId }) => number | { readonly ms: number; readonly outcome: string };
  readonly events?: readonly ScheduleHappening[];
  /** @default schedule */
  readonly id?: string;
  /** IANA name, for a schedule that names none. @default UTC */
  readonly timeZone?: string;
}

/** Instants are ISO 8601 in UTC, without fractions where there are none. */
export interface PlayedEntry extends Pick<Entry, 'fate' | 'rule' | 'lateMs' | 'runId' | 'because'> {
  readonly dueAt: string;
  /** What the clocks of the schedule's zone show then, e.g. `2026-03-29 03:00:00`. */
  readonly local: string;
}
export interface PlayedStretch extends Pick<Stretch, 'fate' | 'rule' | 'because'> {
  readonly from: string;
  readonly to: string;
}
export interface PlayedScheduleRun {
  readonly runId: RunId;
  readonly dueAt: string;
  readonly startsAt: string;
  readonly endsAt: string;
  readonly outcome: string;
}
export interface PlayedSchedule {
  /** Each occurrence that was decided, oldest first. */
  readonly ledger: readonly PlayedEntry[];
  /** Occurrences that were too many to be listed one by one. */
  readonly stretches: readonly PlayedStretch[];
  /** Triggered ones included, in the order they started. */
  readonly runs: readonly PlayedScheduleRun[];
  readonly state: ScheduleState;
  /** As the log would hold it. */
  readonly history: readonly ScheduleEvent[];
}

/** Two weeks of a schedule that is due every minute. */
const MOST_DECISIONS = 20_000;

/**
 * @param spec As in the command `create`, e.g. `{ timing: { cron: '0 3 * * *', timeZone: 'Europe/Berlin' } }`. The job type may be left out.
 * @throws {InvalidCommandError} The spec or a command is refused; the message says why.
 * @throws {InvalidScheduleError} The timing is none.
 */
export function playSchedule(spec: object, options: PlayScheduleOptions): PlayedSchedule {
  const { id = 'schedule', timeZone = 'UTC', runs = () => 0 } = options;
  const ledger = new RecordedLedger();
  const rehearsal = new Rehearsal({
    id: scheduleId(id),
    timeZone,
    store: (decision) => ledger.store(decision),
    runOf: ({ dueAt, runId }, startsAt) => {
      const said = runs({ dueAt: isoOf(dueAt), runId });
      const { ms, outcome } = typeof said === 'number' ? { ms: said, outcome: 'succeeded' } : said;
      return { endsAt: instant(startsAt + ms), outcome };
    },
  });
  rehearsal.change(instantOf(options.from), commandOf({ do: 'create', spec: { jobType: 'job', ...spec } }));
  play(rehearsal, options);
  return playedOf(ledger, rehearsal);
}

function play(rehearsal: Rehearsal, { from, until, events = [] }: PlayScheduleOptions): void {
  const end = instantOf(until);
  const outside = events.find(({ at }) => instantOf(at) < instantOf(from) || instantOf(at) > end);
  if (outside !== undefined)
    throw new RangeError(`${outside.do} at ${outside.at} would never happen: it is not between ${from} and ${until}`);
  const left = events.toSorted((a, b) => instantOf(a.at) - instantOf(b.at));
  let now = instantOf(from);
  let standstill: StandstillState = NO_STANDSTILL;
  for (let decisions = 0; ; decisions++) {
    if (decisions > MOST_DECISIONS) throw new RangeError(`more than ${MOST_DECISIONS} decisions until ${isoOf(now)}: play a shorter time`);
    const look = standstill.now === undefined ? rehearsal.nextMoment : undefined;
    const happening = left[0];
    const isHappening = happening !== undefined && instantOf(happening.at) <= (look ?? Number.POSITIVE_INFINITY);
    const moment = isHappening ? instantOf(happening.at) : look;
    if (moment === undefined || Math.max(now, moment) > end) return;
    now = Math.max(now, moment) as Instant;
    if (!isHappening) {
      rehearsal.decide(now, suspensionsOf(standstill));
      continue;
    }
    left.shift();
    const { at: _, ...what } = happening;
    if (what.do === 'down') now = Math.max(now, instantOf(what.until)) as Instant;
    else if (what.do === 'pause-all') standstill = standStill(standstill, { since: now, cause: 'operator' }) ?? standstill;
    else if (what.do === 'resume-all') standstill = goOn(standstill, now) ?? standstill;
    else rehearsal.change(now, commandOf(what), suspensionsOf(standstill));
  }
}

const suspensionsOf = ({ now, earlier }: StandstillState): Suspension[] => [...earlier, ...(now ? [{ since: now.since }] : [])];

const commandOf = (body: object) =>
  parseScheduleCommand(Buffer.from(JSON.stringify(body))) as Exclude<ScheduleCommand, { readonly do: 'backfill' }>;

function playedOf({ events }: RecordedLedger, { runs, state }: Rehearsal): PlayedSchedule {
  const entries = events.flatMap(({ data }) =>
    data.entries.map(({ dueAt, ...entry }) => {
      const local = new Date(dueAt + spanAt(data.state.spec.timing.timeZone, dueAt).offset).toISOString();
      return { dueAt: isoOf(dueAt), local: local.slice(0, 19).replace('T', ' '), ...entry };
    }),
  );
  const stretches = events.flatMap(({ data }) => data.stretches.map((each) => ({ ...each, from: isoOf(each.from), to: isoOf(each.to) })));
  return {
    ledger: entries.sort((a, b) => Date.parse(a.dueAt) - Date.parse(b.dueAt)),
    stretches: stretches.sort((a, b) => Date.parse(a.from) - Date.parse(b.from)),
    runs: [...runs].map(runOf),
    state: state!,
    history: events,
  };
}

const runOf = ({ runId, dueAt, startsAt, endsAt, outcome }: RehearsedRun): PlayedScheduleRun => ({
  runId,
  dueAt: isoOf(dueAt),
  startsAt: isoOf(startsAt),
  endsAt: isoOf(endsAt),
  outcome,
});

const isoOf = (at: Instant): string => new Date(at).toISOString().replace('.000Z', 'Z');
