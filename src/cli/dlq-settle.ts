/** Sending again and dropping: letters that are named at once, many by a selection, which is shown as a plan before anything is done. */
import type { Command } from 'commander';
import { userName } from '../adapters/system/identity.ts';
import type { DeadLetterOrigin } from '../domain/dead-letter.ts';
import type { JobTypeId } from '../domain/ids.ts';
import type { DeadLetterAction, PlannedLetter, Settlement } from '../runtime/dead-letter-operations.ts';
import { EXIT } from './exit-codes.ts';
import { type Format, printOne, printRows, write } from './output.ts';
import { withClient } from './session.ts';

export interface SettleOptions {
  all?: true;
  job?: JobTypeId;
  origin?: DeadLetterOrigin;
  code?: string;
  yes?: true;
  plan?: true;
  why?: string;
  output: Format;
}

export async function settleLetters(
  action: DeadLetterAction,
  ids: readonly number[],
  options: SettleOptions,
  command: Command,
): Promise<void> {
  const { all, job, origin, code, yes, plan, why, output } = options;
  const selects = [job, origin, code].some((filter) => filter !== undefined);
  if (ids.length > 0 && (all || selects)) command.error('error: name letters or select them with --all, not both');
  if (ids.length === 0 && !all) command.error('error: name letters, or use --all');
  await withClient(command, async ({ deadLetters }) => {
    const planned = all ? await deadLetters.plan(action, { jobType: job, origin, code }) : await deadLetters.planNamed(action, ids);
    if (plan || (all && !yes)) return printPlan(action, planned, output);
    const actor = { who: `cli:${userName()}`, ...(why && { why }) };
    await printSettlement(await deadLetters.carryOut(action, planned, actor), output);
  });
}

async function printPlan(action: DeadLetterAction, planned: readonly PlannedLetter[], output: Format): Promise<void> {
  const refused = planned.filter(({ refusal }) => refusal !== null).length;
  const groups = Object.values(Object.groupBy(planned, groupOf)).map((letters = []) => {
    const { origin, jobType, code, subject, refusal } = letters[0]!;
    return { count: letters.length, origin, jobType, code, subject, refusal, ids: letters.map(({ id }) => id) };
  });
  if (output !== 'table') return printOne({ action, done: false, would: planned.length - refused, refused, groups }, output);
  await printRows(groups, output, {
    COUNT: ({ count }) => String(count),
    ORIGIN: ({ origin }) => origin,
    'JOB TYPE': ({ jobType }) => jobType,
    CODE: ({ code }) => code,
    ...(action === 'redrive' && { 'SEND TO': ({ refusal, subject }) => (refusal === null ? subject : `nowhere: ${refusal}`) }),
    IDS: ({ ids }) => (ids.length > 5 ? `${ids[0]} … ${ids.at(-1)}` : ids.join(', ')),
  });
  const what = action === 'redrive' ? 'sent again' : 'dropped';
  const but = refused === 0 ? '' : `, ${refused} cannot be`;
  await write(`${planned.length - refused} would be ${what}${but}. Nothing was done; --yes does it.\n`);
}

const groupOf = ({ origin, jobType, code, subject, refusal }: PlannedLetter) => JSON.stringify([origin, jobType, code, subject, refusal]);

async function printSettlement({ letters, left, problem }: Settlement, output: Format): Promise<void> {
  const count = (wanted: string) => letters.filter(({ result }) => result === wanted).length;
  const counts = { redriven: count('redriven'), dropped: count('dropped'), gone: count('gone'), refused: count('refused'), left };
  if (counts.refused + left > 0) process.exitCode = EXIT.failed;
  if (output !== 'table') return printOne({ ...counts, problem, letters }, output);
  const refusals = letters.filter(({ result }) => result === 'refused');
  await write(
    `${
      Object.entries(counts)
        .filter(([, number]) => number > 0)
        .map(([name, number]) => `${number} ${name}`)
        .join(', ') || 'no letters'
    }\n`,
  );
  for (const { id, problem: why } of refusals) process.stderr.write(`almanac: dead letter ${id} stays: ${why}\n`);
  if (problem !== null) process.stderr.write(`almanac: stopped with ${left} left: ${problem}\n`);
}
