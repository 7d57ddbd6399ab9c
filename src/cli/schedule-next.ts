import type { Command } from 'commander';
import { systemClock } from '../adapters/system/clock.ts';
import type { ScheduleId } from '../domain/ids.ts';
import { parseTiming } from '../domain/schedule/parse-timing.ts';
import { type PreviewRow, preview } from '../domain/schedule/preview.ts';
import { changedTiming } from '../domain/schedule/written-timing.ts';
import { viewOfStandstill } from '../runtime/schedule-view.ts';
import { type Format, printRows } from './output.ts';
import { type TimingOptions, timingChange } from './schedule-timing.ts';
import { configOf, withClient } from './session.ts';
import { tellStandstill } from './standstill-notice.ts';

type Options = TimingOptions & { count: number; output: Format };

export async function scheduleNext(id: ScheduleId | undefined, options: Options, command: Command): Promise<void> {
  const { count, output } = options;
  const change = timingChange(options);
  if ((id === undefined) === (change === undefined)) {
    command.error('error: name a schedule, or a pattern with --cron, --every or --at: one of the two');
  }
  const rows = id === undefined ? ofPattern(options, count, command) : await ofSchedule(id, count, command);
  await print(rows, output);
}

function ofPattern(options: TimingOptions, count: number, command: Command): PreviewRow[] {
  const { timeZone } = configOf(command);
  const timing = parseTiming(changedTiming(undefined, timingChange(options) ?? {}), { timeZone });
  return preview(timing, systemClock.now(), count);
}

async function ofSchedule(id: ScheduleId, count: number, command: Command): Promise<PreviewRow[]> {
  const { state, rows, standstill } = await withClient(command, async ({ inspection, schedules }) => ({
    ...(await inspection.next(id, count)),
    standstill: await schedules.standstill(),
  }));
  if (state.status !== 'active') {
    const note = state.pause?.note ? ` (${state.pause.note})` : '';
    process.stderr.write(`almanac: schedule ${id} is ${state.status}${note}: it starts none of these as it is\n`);
  }
  tellStandstill(viewOfStandstill(standstill));
  return rows;
}

async function print(rows: readonly PreviewRow[], output: Format): Promise<void> {
  const iso = (at: number) => new Date(at).toISOString();
  const shown = rows.map((row) => ({ ...row, dueAt: iso(row.dueAt), startsAt: iso(row.startsAt) }));
  await printRows(shown, output, {
    DUE: ({ dueAt }) => dueAt,
    LOCAL: ({ local }) => local,
    STARTS: ({ startsAt, runs }) => (runs ? startsAt : null),
    NOTES: ({ notes }) => notes.join('; ') || null,
  });
}
