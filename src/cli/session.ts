/** What every command that asks a running instance does first and last. */
import type { Command } from 'commander';
import { type Client, openClient } from '../app.ts';
import { type Config, readConfig } from '../config.ts';
import type { Operations } from '../runtime/operations.ts';

export function configOf(command: Command, flags: { vault?: string | undefined } = {}): Config {
  const { data, nats } = command.optsWithGlobals<{ data?: string; nats?: string }>();
  const given = {
    ...(data !== undefined && { ALMANAC_DATA: data }),
    ...(nats !== undefined && { NATS_URL: nats }),
    ...(flags.vault !== undefined && { VAULT_PATH: flags.vault }),
  };
  return readConfig(process.env, { flags: given, terminal: process.stderr.isTTY });
}

export const withOperations = <Result>(command: Command, ask: (operations: Operations) => Promise<Result>): Promise<Result> =>
  withClient(command, ({ operations }) => ask(operations));

export async function withClient<Result>(command: Command, ask: (client: Client) => Promise<Result>): Promise<Result> {
  const client = await openClient(configOf(command));
  try {
    return await ask(client);
  } finally {
    await client.close();
  }
}
