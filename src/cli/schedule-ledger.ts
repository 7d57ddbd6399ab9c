import type { Command } from 'commander';
import type { Instant, ScheduleId } from '../domain/ids.ts';
import { durationText } from '../domain/schedule/why-text.ts';
import type { LedgerRow } from '../runtime/schedule-view.ts';
import { type Format, printRows } from './output.ts';
import { withClient } from './session.ts';

interface Options {
  since?: Instant;
  until?: Instant;
  limit: number;
  output: Format;
}

export async function scheduleLedger(id: ScheduleId, { since, until, limit, output }: Options, command: Command): Promise<void> {
  let rows: LedgerRow[] = [];
  await withClient(command, ({ inspection }) =>
    inspection.ledger(id, { since, until }, (row) => {
      if (rows.push(row) >= 2 * limit) rows = rows.slice(-limit);
    }),
  );
  await printRows(rows.slice(-limit), output, {
    DUE: ({ dueAt, to }) => (to === null ? dueAt : `${dueAt} … ${to}`),
    FATE: ({ fate }) => fate,
    RULE: ({ rule }) => rule,
    LATE: ({ lateMs }) => (lateMs === null ? null : durationText(Math.max(0, lateMs))),
    RUN: ({ runId }) => runId,
    BECAUSE: ({ because }) => because,
    DECIDED: ({ decidedAt }) => decidedAt,
    BY: ({ by, source }) => by ?? source,
  });
}
