import type { Command } from 'commander';
import type { Instant, ScheduleId } from '../domain/ids.ts';
import { timingText } from '../domain/schedule/timing-text.ts';
import type { MadeBy } from '../domain/schedule/why.ts';
import type { Explanation } from '../runtime/schedule-inspection.ts';
import { type Format, printOne, tableLine, write } from './output.ts';
import { withClient } from './session.ts';

export async function why(schedule: ScheduleId, { at, output }: { at: Instant; output: Format }, command: Command): Promise<void> {
  const explanation = await withClient(command, ({ inspection }) => inspection.why(schedule, at));
  if (output === 'table') await write(explanation.lines.map((line) => tableLine([line], [])).join(''));
  else await printOne(forPrograms(schedule, explanation), output);
}

function forPrograms(schedule: ScheduleId, { why, runs, lines }: Explanation): object {
  const { at, inForce, isOccurrence, nearest, triggered, decisions, pauses, open } = why;
  const madeText = ({ type, at, actor }: MadeBy) => ({ type, at, by: actor ?? null });
  return withTimes({
    schedule,
    at,
    isOccurrence,
    inForce:
      inForce === undefined || inForce.state.status === 'deleted'
        ? null
        : { revision: inForce.state.revision, timing: timingText(inForce.state.spec.timing), made: madeText(inForce.madeBy) },
    nearest: nearest === undefined ? null : { before: nearest.before ?? null, after: nearest.after ?? null },
    decisions,
    pauses,
    triggered: triggered === undefined ? null : { ...triggered.occurrence, by: madeText(triggered.by) },
    undecided: open ?? null,
    runs: Object.fromEntries([...runs].map(([id, run]) => [id, run && { state: run.state, outcome: run.outcome, endedAt: run.endedAt }])),
    lines,
  }) as object;
}

const INSTANTS: ReadonlySet<string> = new Set(['at', 'before', 'after', 'dueAt', 'from', 'to', 'since', 'until']);

/** Instants as programs of any language read them. */
const withTimes = (value: object): unknown =>
  JSON.parse(
    JSON.stringify(value, (key, field: unknown) =>
      typeof field === 'number' && INSTANTS.has(key) ? new Date(field).toISOString() : field,
    ),
  );
