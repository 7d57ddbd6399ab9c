import type { Command } from 'commander';
import { type Format, printOne } from './output.ts';
import { withClient } from './session.ts';

export async function dlqShow(id: number, { output }: { output: Format }, command: Command): Promise<void> {
  const { body, storedAt, ...letter } = await withClient(command, ({ deadLetters }) => deadLetters.show(id));
  await printOne({ ...letter, storedAt: new Date(storedAt).toISOString(), bytes: body.byteLength, ...textOf(body) }, output);
}

/** As it was sent, or in base64 when it is no text. */
function textOf(body: Uint8Array): { body: string; encoding: 'utf-8' | 'base64' } {
  try {
    return { body: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body), encoding: 'utf-8' };
  } catch {
    return { body: Buffer.from(body).toString('base64'), encoding: 'base64' };
  }
}
