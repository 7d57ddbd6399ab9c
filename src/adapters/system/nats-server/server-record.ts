/** `<dataDir>/nats/server.json`: where clients on this machine find the embedded server. A hint, believed only when the server confirms it. */
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import { probe } from './probe.ts';
import { existingServerFolder, type ServerFolder, serverProcess } from './server-folder.ts';

const ServerRecord = z.object({
  url: z.url(),
  pid: z.int().positive(),
  /** Random for each start, so that no other server can be taken for this one. */
  serverName: z.string(),
  version: z.string(),
  startedAt: z.iso.datetime(),
});
export type ServerRecord = z.output<typeof ServerRecord>;

/** Readers see the old record or the new one, never a part. */
export async function writeRecord({ recordFile }: ServerFolder, record: ServerRecord): Promise<void> {
  const next = `${recordFile}.${process.pid}`;
  await writeFile(next, `${JSON.stringify(record, null, 2)}\n`);
  await rename(next, recordFile);
}

export const removeRecord = ({ recordFile }: ServerFolder): Promise<void> => rm(recordFile, { force: true });

/**
 * The embedded server that runs on this data folder; undefined when there is none. A record left behind by a crash, or copied from another
 * folder, counts as none: the process must work on this very folder and the server must answer with the recorded name.
 */
export async function discoverServer(dataDir: string): Promise<ServerRecord | undefined> {
  const folder = await existingServerFolder(dataDir);
  return folder && confirmedRecord(folder);
}

export async function confirmedRecord(folder: ServerFolder): Promise<ServerRecord | undefined> {
  const record = await readRecord(folder);
  if (record === undefined || (await serverProcess(folder)) !== record.pid) return undefined;
  const answer = await probe(record.url).catch(() => undefined);
  return answer?.serverName === record.serverName ? record : undefined;
}

async function readRecord({ recordFile }: ServerFolder): Promise<ServerRecord | undefined> {
  try {
    return ServerRecord.parse(JSON.parse(await readFile(recordFile, 'utf8')));
  } catch {
    return undefined; // absent or not ours: in both cases there is nothing to find
  }
}
