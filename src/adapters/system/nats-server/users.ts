/** Who uses the embedded server of a folder: one file per opening, named after the process. The last to leave stops the server. */
import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { processBirth } from './processes.ts';

/** Registers this process once more; call only while the folder's lock is held. Returns the file to remove on leaving. */
export async function registerUser(users: string): Promise<string> {
  await mkdir(users, { recursive: true });
  const file = join(users, `${process.pid}.${randomUUID().slice(0, 8)}`);
  await writeFile(file, processBirth(process.pid) ?? '');
  return file;
}

/** Number of registrations of living processes; those of dead ones are removed. Call only while the folder's lock is held. */
export async function countLivingUsers(users: string): Promise<number> {
  const files = await readdir(users);
  const living = await Promise.all(files.map((name) => isLiving(join(users, name), Number.parseInt(name, 10))));
  await Promise.all(files.filter((_, at) => !living[at]).map((name) => rm(join(users, name), { force: true })));
  return living.filter(Boolean).length;
}

/** The birth written in the file keeps a stranger who got the same pid later from counting as a user. */
async function isLiving(file: string, pid: number): Promise<boolean> {
  const birth = processBirth(pid);
  return birth !== undefined && birth === (await readFile(file, 'utf8').catch(() => undefined));
}
