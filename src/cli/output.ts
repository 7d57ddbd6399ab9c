/** Results to stdout: a table for people, JSON for programs, a line each for pipes. */
import { once } from 'node:events';
import { stripVTControlCharacters } from 'node:util';

export const FORMATS = ['table', 'json', 'ndjson'] as const;
export type Format = (typeof FORMATS)[number];

/** Column title → how to get it from a row. */
export type Columns<Row> = Readonly<Record<string, (row: Row) => string | null | undefined>>;

export async function printRows<Row>(rows: readonly Row[], format: Format, columns: Columns<Row>): Promise<void> {
  if (format === 'json') return write(`${JSON.stringify(rows, null, 2)}\n`);
  if (format === 'ndjson') return write(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  await write(tableOf(rows, columns));
}

/** One thing: as a table, one line a field. */
export async function printOne(value: object, format: Format): Promise<void> {
  if (format === 'json') return write(`${JSON.stringify(value, null, 2)}\n`);
  if (format === 'ndjson') return write(`${JSON.stringify(value)}\n`);
  const fields = Object.entries(value).map(([name, field]) => [name, typeof field === 'string' ? field : JSON.stringify(field)] as const);
  const width = Math.max(...fields.map(([name]) => name.length));
  await write(fields.map(([name, text]) => `${name.padEnd(width)}  ${printable(text ?? '')}\n`).join(''));
}

/** Waits for a slow reader, so that a long replay does not pile up in memory. */
export async function write(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain');
}

function tableOf<Row>(rows: readonly Row[], columns: Columns<Row>): string {
  const titles = Object.keys(columns);
  const lines = [titles, ...rows.map((row) => titles.map((title) => printable(columns[title]?.(row) ?? '-')))];
  const widths = titles.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  return lines
    .map(
      (line) =>
        `${line
          .map((cell, column) => cell.padEnd(widths[column]!))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

/** Text from events must not move a terminal's cursor or break a table's line. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is removed
const printable = (text: string) => stripVTControlCharacters(text).replace(/[\u0000-\u001f\u007f]+/g, ' ');
