import type { Command } from 'commander';
import type { DeadLetterOrigin } from '../domain/dead-letter.ts';
import type { JobTypeId } from '../domain/ids.ts';
import { type Format, printRows } from './output.ts';
import { withClient } from './session.ts';

interface Options {
  job?: JobTypeId;
  origin?: DeadLetterOrigin;
  code?: string;
  limit: number;
  output: Format;
}

export async function dlqList({ job, origin, code, limit, output }: Options, command: Command): Promise<void> {
  const letters = await withClient(command, ({ deadLetters }) => deadLetters.list({ jobType: job, origin, code }, limit));
  const rows = letters.map(({ id, storedAt, origin, jobType, runId, code, reason, attempts, subject }) => {
    return { id, storedAt: new Date(storedAt).toISOString(), origin, jobType, runId, code, reason, attempts, subject };
  });
  await printRows(rows, output, {
    ID: ({ id }) => String(id),
    STORED: ({ storedAt }) => storedAt,
    ORIGIN: ({ origin }) => origin,
    'JOB TYPE': ({ jobType }) => jobType,
    RUN: ({ runId }) => runId,
    CODE: ({ code }) => code,
    ATTEMPTS: ({ attempts }) => attempts?.toString(),
    REASON: ({ reason }) => reason && shortened(reason),
  });
}

/** Whole in `dlq show`, and for programs. */
const shortened = (reason: string) => (reason.length > 100 ? `${reason.slice(0, 99)}…` : reason);
