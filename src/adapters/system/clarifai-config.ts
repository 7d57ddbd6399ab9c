/** Finding and reading the config file that the ClarifAI services share (contracts §12.3). It is theirs: we never write it. */
import { constants } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { LineCounter, parseDocument } from 'yaml';
import { ConfigError } from '../../domain/errors.ts';
import { errorCode } from './vault-walk.ts';

const FILE_NAME = 'aclarai.config.yaml';
/** Hundreds of times the file as it is shipped. In bytes. */
const MAX_BYTES = 1024 * 1024;
/** A few lines of aliases of aliases can stand for gigabytes. */
const MOST_ALIASES = 100;

export interface ClarifaiConfigPlaces {
  /** The file that the operator names. It has to exist; without it, having none is fine. */
  readonly path?: string | undefined;
  /** `SETTINGS_PATH`: the folder of the file. A name that ends in .yaml or .yml is the file itself. */
  readonly settingsPath?: string | undefined;
  readonly workingDirectory: string;
}

export interface ClarifaiConfig {
  readonly path: string;
  /** All of it, with the keys that mean nothing to us. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly warnings: readonly string[];
}

/**
 * The named file, or the first that exists of: the one of SETTINGS_PATH, `settings/aclarai.config.yaml` in the working directory or above
 * it, `aclarai.config.yaml` in the working directory or above it.
 * @throws {ConfigError} It cannot be read, or is no YAML mapping. The message says where and what to do.
 */
export async function findClarifaiConfig(places: ClarifaiConfigPlaces): Promise<ClarifaiConfig | undefined> {
  if (places.path !== undefined) return readConfig(resolve(places.path));
  for (const path of candidates(places)) if (await exists(path)) return readConfig(path);
  return undefined;
}

function candidates({ settingsPath, workingDirectory }: ClarifaiConfigPlaces): string[] {
  const folders = [resolve(workingDirectory)];
  for (let above = dirname(folders[0]!); above !== folders.at(-1); above = dirname(above)) folders.push(above);
  const inSettings = /\.ya?ml$/.test(settingsPath ?? '') ? settingsPath : settingsPath && join(settingsPath, FILE_NAME);
  return [
    ...(inSettings ? [resolve(inSettings)] : []),
    ...folders.map((folder) => join(folder, 'settings', FILE_NAME)),
    ...folders.map((folder) => join(folder, FILE_NAME)),
  ];
}

/** What may be there, but cannot be looked at, counts as there, so that reading it tells the operator. */
async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    return !['ENOENT', 'ENOTDIR'].includes(errorCode(error));
  }
}

async function readConfig(path: string): Promise<ClarifaiConfig> {
  const refuse = (problem: string, cause?: unknown) => new ConfigError(`ClarifAI config file ${path} ${problem}`, { cause });
  const bytes = await readBounded(path, refuse);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw refuse('is not UTF-8 text: save it as UTF-8', cause);
  }
  const lines = new LineCounter();
  // YAML 1.1 with repeated keys allowed is what PyYAML reads and the UI writes.
  const document = parseDocument(text, { version: '1.1', uniqueKeys: false, prettyErrors: false, logLevel: 'error', lineCounter: lines });
  const [error] = document.errors;
  if (error !== undefined) {
    const { line, col } = lines.linePos(error.pos[0]);
    throw refuse(`is not valid YAML, line ${line}, column ${col}: ${error.message}. ${adviceFor(error.message)}`, error);
  }
  let settings: unknown;
  try {
    settings = document.toJS({ maxAliasCount: MOST_ALIASES }) ?? {};
  } catch (cause) {
    throw refuse(`cannot be used: ${(cause as Error).message}. Repair or remove the aliases (*name) in it`, cause);
  }
  if (typeof settings !== 'object' || Array.isArray(settings)) {
    throw refuse('must be a mapping with keys such as "scheduler:" at its left margin, but is something else: restore it, or remove it');
  }
  return { path, settings: settings as ClarifaiConfig['settings'], warnings: document.warnings.map(({ message }) => message) };
}

const adviceFor = (message: string): string =>
  /alias/i.test(message) ? `Text that begins with * needs quotes: cron: '*/30 * * * *'` : 'Repair that line';

async function readBounded(path: string, refuse: (problem: string, cause?: unknown) => ConfigError): Promise<Uint8Array> {
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK); // a pipe must not make us wait for a writer
  } catch (cause) {
    const code = errorCode(cause);
    throw refuse(
      code === 'ENOENT' ? 'does not exist: correct the path' : `cannot be opened (${code}): let the user of this process read it`,
      cause,
    );
  }
  try {
    const stats = await file.stat();
    if (stats.isDirectory()) throw refuse('is a folder: name the file in it, or move it away');
    if (!stats.isFile()) throw refuse('is not a regular file: put the file itself there');
    if (stats.size > MAX_BYTES) throw refuse(`has ${stats.size} bytes, at most ${MAX_BYTES} are read: is it the right file?`);
    return await file.readFile();
  } finally {
    await file.close();
  }
}
