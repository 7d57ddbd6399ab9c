/** Settings, by flag > environment > file > default. The only reader of the environment. */
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { ConfigError } from './domain/errors.ts';

/** Where the program itself lies: for the sample vault. */
const HOME = resolve(dirname(fileURLToPath(import.meta.url)), '..');
export const SAMPLE_VAULT = resolve(HOME, 'sample-vault');

const Switch = z.enum(['true', 'false']).transform((text) => text === 'true');
const WholeNumber = (min: number) => z.coerce.number().int().min(min);
const TimeZone = z.string().refine(isTimeZone, 'is not a time zone of the IANA database, e.g. UTC or Europe/Berlin');

const Settings = z.object({
  /** Data folder of this instance: embedded NATS, graph, what clients need to find us. */
  ALMANAC_DATA: z.string().min(1).default('./data'),
  /** Use this server; nothing is started. */
  NATS_URL: z.url({ protocol: /^(nats|tls|ws|wss)$/ }).optional(),
  NATS_CREDS: z.string().min(1).optional(),
  /** Path of a nats-server binary for the embedded server. */
  NATS_SERVER: z.string().min(1).optional(),
  /** Copies of each stream on a cluster. */
  ALMANAC_REPLICAS: WholeNumber(1).max(5).default(1),
  /** A crashed process's runs go on elsewhere after this many seconds. */
  ALMANAC_LEASE_SECONDS: z.coerce.number().min(0.5).max(600).default(10),
  VAULT_PATH: z.string().min(1).default(SAMPLE_VAULT),
  VAULT_TIER1_PATH: z.string().min(1).default('conversations'),
  VAULT_SUMMARIES_PATH: z.string().min(1).default('summaries'),
  VAULT_CONCEPTS_PATH: z.string().min(1).default('concepts'),
  /** Name family of markers: contracts §1. */
  ALMANAC_MARKER_PREFIX: z.enum(['aclarai', 'clarifai']).default('aclarai'),
  SCHEDULER_TIMEZONE: TimeZone.default('UTC'),
  VAULT_SYNC_ENABLED: Switch.default(true),
  VAULT_SYNC_CRON: z.string().min(1).optional(),
  ENABLE_MONITORING: Switch.default(true),
  /** 0: a free port. */
  METRICS_PORT: WholeNumber(0).max(65_535).default(9464),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
});
type Setting = keyof z.input<typeof Settings>;

export interface Config {
  readonly dataDir: string;
  readonly cacheDir: string;
  readonly nats: {
    readonly url?: string | undefined;
    readonly credentials?: string | undefined;
    readonly replicas: number;
    readonly leaseMs: number;
  };
  readonly vault: {
    readonly root: string;
    readonly isSample: boolean;
    readonly tierFolders: { readonly 1: string; readonly 2: string; readonly 3: string };
    readonly markerPrefix: 'aclarai' | 'clarifai';
  };
  readonly timeZone: string;
  /** By job type; a cron of undefined means: as the job type says. */
  readonly schedules: Readonly<Record<string, { readonly enabled: boolean; readonly cron?: string | undefined }>>;
  readonly metrics: { readonly enabled: boolean; readonly port: number };
  readonly logLevel: string;
  /** For children that look at it themselves: the search for a server binary. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * @param flags Settings given on the command line, under their environment names.
 * @throws {ConfigError} Names every setting that is wrong, and how.
 */
export function readConfig(environment: Environment, flags: Partial<Record<Setting, string>> = {}): Config {
  const given = { ...readFile(environment.ALMANAC_CONFIG), ...withoutEmpty(pick(environment)), ...withoutEmpty(flags) };
  const parsed = Settings.safeParse(given);
  if (!parsed.success) throw new ConfigError(`settings: ${z.prettifyError(parsed.error)}`);
  const settings = parsed.data;
  const root = resolve(settings.VAULT_PATH);
  return {
    dataDir: resolve(settings.ALMANAC_DATA),
    cacheDir: resolve(environment.XDG_CACHE_HOME || resolve(homedir(), '.cache'), 'almanac'),
    nats: {
      url: settings.NATS_URL,
      credentials: settings.NATS_CREDS,
      replicas: settings.ALMANAC_REPLICAS,
      leaseMs: settings.ALMANAC_LEASE_SECONDS * 1_000,
    },
    vault: {
      root,
      isSample: root === SAMPLE_VAULT,
      tierFolders: { 1: settings.VAULT_TIER1_PATH, 2: settings.VAULT_SUMMARIES_PATH, 3: settings.VAULT_CONCEPTS_PATH },
      markerPrefix: settings.ALMANAC_MARKER_PREFIX,
    },
    timeZone: settings.SCHEDULER_TIMEZONE,
    schedules: { 'vault-sync': { enabled: settings.VAULT_SYNC_ENABLED, cron: settings.VAULT_SYNC_CRON } },
    metrics: { enabled: settings.ENABLE_MONITORING, port: settings.METRICS_PORT },
    logLevel: settings.LOG_LEVEL,
    environment: { ...environment, NATS_SERVER: settings.NATS_SERVER },
  };
}

/** A JSON object with the same names as the environment. Unknown names are errors: they are misspelt settings. */
function readFile(path: string | undefined): Record<string, unknown> {
  const file = path ?? 'almanac.config.json';
  if (path === undefined && !existsSync(file)) return {};
  try {
    const strings = z
      .record(z.string(), z.union([z.string(), z.number(), z.boolean()]).transform(String))
      .parse(JSON.parse(readFileSync(file, 'utf8')));
    const unknown = Object.keys(strings).filter((name) => !(name in Settings.shape));
    if (unknown.length > 0) throw new Error(`unknown settings: ${unknown.join(', ')}`);
    return strings;
  } catch (cause) {
    throw new ConfigError(`settings file ${file}: ${(cause as Error).message}`, { cause });
  }
}

const pick = (environment: Environment) => Object.fromEntries(Object.keys(Settings.shape).map((name) => [name, environment[name]]));
/** An empty variable is how compose files and shells say "not set". */
const withoutEmpty = (settings: Environment) =>
  Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined && value !== ''));

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
