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

/** One thing: as a table, one line a field, and what is inside of a field below it. */
export async function printOne(value: object, format: Format): Promise<void> {
  if (format === 'json') return write(`${JSON.stringify(value, null, 2)}\n`);
  if (format === 'ndjson') return write(`${JSON.stringify(value)}\n`);
  await write(fieldLines(value, ''));
}

function fieldLines(value: object, indent: string): string {
  const fields = Array.isArray(value) ? value.map((item, at) => [`${at + 1}.`, item] as const) : Object.entries(value);
  const width = Math.max(...fields.map(([name]) => name.length));
  return fields
    .map(([name, field]) => {
      const within = isNested(field) ? fieldLines(field, `${indent}  `) : '';
      return within === ''
        ? tableLine([indent + name, isNested(field) ? 'none' : cellOf(field)], [indent.length + width])
        : `${indent}${printable(name)}\n${within}`;
    })
    .join('');
}

/** Worth lines of its own: an object, or a list of objects. Lists of plain values fit into a line. */
const isNested = (field: unknown): field is object =>
  typeof field === 'object' && field !== null && (!Array.isArray(field) || field.some((item) => typeof item === 'object'));

const cellOf = (field: unknown): string =>
  field === null || field === undefined
    ? '-'
    : typeof field === 'string'
      ? field
      : Array.isArray(field)
        ? field.map(String).join(', ') || 'none'
        : JSON.stringify(field);

/** Waits for a slow reader, so that a long replay does not pile up in memory. */
export async function write(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain');
}

function tableOf<Row>(rows: readonly Row[], columns: Columns<Row>): string {
  const titles = Object.keys(columns);
  const lines = [titles, ...rows.map((row) => titles.map((title) => printable(columns[title]?.(row) ?? '-')))];
  const widths = titles.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  return lines.map((line) => tableLine(line, widths)).join('');
}

export const tableLine = (cells: readonly string[], widths: readonly number[]): string =>
  `${cells
    .map((cell, column) => printable(cell).padEnd(widths[column] ?? 0))
    .join('  ')
    .trimEnd()}\n`;

/** Text from events must not move a terminal's cursor or break a table's line. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is removed
const printable = (text: string) => stripVTControlCharacters(text).replace(/[\u0000-\u001f\u007f]+/g, ' ');
