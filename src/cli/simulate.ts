import type { Command } from 'commander';
import { systemClock } from '../adapters/system/clock.ts';
import { ConfigError } from '../domain/errors.ts';
import type { Instant } from '../domain/ids.ts';
import { localText } from '../domain/schedule/clock-changes.ts';
import { type Finding, findingsOf } from '../domain/schedule/findings.ts';
import type { SimulatedSchedule, SimulatedStart } from '../domain/schedule/simulate.ts';
import { timingText } from '../domain/schedule/timing-text.ts';
import { durationText } from '../domain/schedule/why-text.ts';
import { timeZoneProblem } from '../domain/schedule/zone-clock.ts';
import type { Outlook } from '../runtime/schedule-inspection.ts';
import { EXIT } from './exit-codes.ts';
import { type Format, printOne, printRows, write } from './output.ts';
import { configOf, withClient } from './session.ts';

interface Options {
  days: number;
  from?: Instant;
  tz?: string;
  resumed?: true;
  limit: number;
  output: Format;
}
const DAY_MS = 86_400_000;
const iso = (at: Instant) => new Date(at).toISOString();

/** Only looks: nothing is started, and nothing is stored. */
export async function simulate(options: Options, command: Command): Promise<void> {
  const { days, from = systemClock.now(), tz, resumed = false, limit, output } = options;
  const timeZone = tz ?? configOf(command).timeZone;
  const problem = timeZoneProblem(timeZone);
  if (problem !== undefined) throw new ConfigError(`--tz: ${problem}`);
  const until = (from + days * DAY_MS - 1) as Instant;
  const outlook = await withClient(command, ({ inspection }) => inspection.outlook({ from, until, resumed }));
  const findings = findingsOf(outlook);
  if (findings.some(({ risk }) => risk)) process.exitCode = EXIT.failed;
  const starts = outlook.schedules.flatMap((schedule) => schedule.starts).sort((a, b) => a.startsAt - b.startsAt);
  const shown = { outlook, findings, starts: starts.slice(0, limit), total: starts.length, timeZone };
  if (output === 'table') await printTables(shown, limit);
  else await printOne({ from: iso(from), until: iso(until), ...forPrograms(shown) }, output);
}

interface Shown {
  readonly outlook: Outlook;
  readonly findings: readonly Finding[];
  readonly starts: readonly SimulatedStart[];
  readonly total: number;
  readonly timeZone: string;
}

async function printTables({ outlook, findings, starts, total, timeZone }: Shown, limit: number): Promise<void> {
  const of = ({ state }: SimulatedSchedule) => outlook.durations.get(state.spec.jobType);
  await printRows(outlook.schedules, 'table', {
    SCHEDULE: ({ state }) => state.id,
    'JOB TYPE': ({ state }) => state.spec.jobType,
    STATUS: ({ state }) => state.status,
    TIMING: ({ state }) => timingText(state.spec.timing),
    STARTS: (schedule) => `${schedule.starts.length}${schedule.isCutShort ? '+' : ''}`,
    MEDIAN: (schedule) => of(schedule) && durationText(of(schedule)!.medianMs),
    P95: (schedule) => of(schedule) && durationText(of(schedule)!.p95Ms),
  });
  await write('\n');
  await printRows(starts, 'table', {
    STARTS: ({ startsAt }) => iso(startsAt),
    LOCAL: ({ startsAt }) => localText(timeZone, startsAt),
    SCHEDULE: ({ schedule }) => schedule,
    RUN: ({ runId }) => runId,
  });
  if (total > limit) await write(`… and ${total - limit} more: --limit shows them\n`);
  for (const { at, timeZone: zone, change, affected } of outlook.clockDays) {
    if (affected.length === 0) await write(`\nIn ${zone} ${change} at ${iso(at)}: no schedule is affected.\n`);
  }
  await write('\n');
  for (const { risk, text, first } of findings.slice(0, limit))
    await write(`${risk ? `risk  ${text}, first at ${iso(first)}` : `note  ${text}`}\n`);
  if (findings.length > limit) await write(`… and ${findings.length - limit} more\n`);
  if (findings.length === 0) await write('No risks.\n');
}

function forPrograms({ outlook, findings, starts, total }: Shown): object {
  return {
    schedules: outlook.schedules.map(({ state, starts, fates, playedUntil, isCutShort }) => {
      const { id, spec, status } = state;
      const { jobType, timing } = spec;
      return {
        ...{ id, jobType, status, timing: timingText(timing), starts: starts.length, fates, playedUntil: iso(playedUntil), isCutShort },
        durations: outlook.durations.get(jobType) ?? null,
      };
    }),
    starts: starts.map(({ startsAt, endsAt, dueAt, ...start }) => ({
      ...start,
      dueAt: iso(dueAt),
      startsAt: iso(startsAt),
      endsAt: iso(endsAt),
    })),
    totalStarts: total,
    clockChanges: outlook.clockDays.map(({ at, timeZone, change }) => ({ at: iso(at), timeZone, change })),
    findings: findings.map(({ first, ...finding }) => ({ ...finding, first: iso(first) })),
  };
}
