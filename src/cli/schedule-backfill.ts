/** What a schedule has not run, run now: shown as a plan before anything is done. */
import type { Command } from 'commander';
import type { Client } from '../app.ts';
import type { Instant, ScheduleId } from '../domain/ids.ts';
import type { SlotState } from '../domain/schedule/backfill.ts';
import type { BackfillRow, PlannedBackfill } from '../runtime/backfill-view.ts';
import { confirm } from './confirm.ts';
import { type AskOptions, requestOf, tellOf } from './control-schedules.ts';
import { printOne, printRows, write } from './output.ts';
import { withClient } from './session.ts';

interface Options extends AskOptions {
  from: Instant;
  to: Instant;
  yes?: true;
  plan?: true;
}

const STATE_TEXTS: Readonly<Record<SlotState, string>> = {
  fill: 'to start',
  ran: 'has a run',
  waiting: 'waits for the run before it',
  excluded: 'excluded',
  undecided: 'not decided yet',
};

export async function scheduleBackfill(id: ScheduleId, options: Options, command: Command): Promise<void> {
  const { from, to, yes, plan, output } = options;
  await withClient(command, async (client) => {
    const planned = await client.inspection.planBackfill(id, { from, to });
    const count = planned.counts.fill ?? 0;
    if (output === 'table') await printPlan(planned);
    const wanted = count > 0 && !plan && (yes ?? (output === 'table' && (await confirm(`Start ${runs(count)}?`))));
    if (wanted) return carryOut(client, id, options, planned);
    if (output !== 'table') return printOne({ done: false, ...planned }, output);
    await write(
      count === 0 ? 'There is nothing to start.\n' : `Nothing was done${wanted === undefined || plan ? '; --yes does it' : ''}.\n`,
    );
  });
}

/** What came of it is told from the log: somebody else may have had the same idea. */
async function carryOut({ schedules, inspection }: Client, id: ScheduleId, options: Options, planned: PlannedBackfill): Promise<void> {
  const { from, to, output } = options;
  const changed = await schedules.backfill(id, { from, to }, requestOf(options));
  process.exitCode = tellOf(changed, options);
  const now = changed.answered ? await inspection.planBackfill(id, { from, to }) : planned;
  const open = new Set(planned.slots.filter(({ state }) => state === 'fill').map(({ dueAt }) => dueAt));
  const started = now.slots.filter(({ dueAt, state }) => state === 'ran' && open.has(dueAt)).length;
  if (output !== 'table') return printOne({ done: changed.answered, started, ...now }, output);
  if (changed.answered) await write(`${runs(started)} started on lane ${now.lane}: almanac run list --job ${now.jobType} shows them.\n`);
}

async function printPlan({ slots, counts, jobType, lane, revision }: PlannedBackfill): Promise<void> {
  await printRows(slots, 'table', {
    DUE: ({ dueAt }) => dueAt,
    LOCAL: ({ local }) => local,
    REVISION: ({ revision }) => String(revision),
    'SO FAR': soFar,
    BACKFILL: ({ state }) => STATE_TEXTS[state],
    RUN: ({ runId }) => runId,
  });
  const { fill = 0, ...rest } = counts;
  const others = Object.entries(rest).map(([state, count]) => `${count} ${STATE_TEXTS[state as SlotState]}`);
  await write(`${[`${runs(fill)} to start: ${jobType}, as revision ${revision} says, on lane ${lane}`, ...others].join('; ')}.\n`);
}

const soFar = ({ fate, rule }: BackfillRow): string | null => (fate === null ? null : `${fate} (${rule})`);
const runs = (count: number): string => `${count} ${count === 1 ? 'run' : 'runs'}`;
