/** Asks a person before something happens. */
import { createInterface } from 'node:readline/promises';
import type { Readable, Writable } from 'node:stream';

type Terminal = { readonly isTTY?: boolean | undefined };

/** Undefined: nobody is there to be asked, because the program reads from a file or prints into one. An answer that is not yes is no. */
export async function confirm(
  question: string,
  input: Readable & Terminal = process.stdin,
  output: Writable & Terminal = process.stdout,
): Promise<boolean | undefined> {
  if (!input.isTTY || !output.isTTY) return undefined;
  const lines = createInterface({ input, output });
  const ended = new AbortController();
  lines.once('close', () => ended.abort()); // Ctrl-D and Ctrl-C are no answer
  try {
    return /^y(es)?$/i.test((await lines.question(`${question} [y/N] `, { signal: ended.signal })).trim());
  } catch (error) {
    if (ended.signal.aborted) return false;
    throw error;
  } finally {
    lines.close();
  }
}
