/** Settings, by flag > environment > file > default. The only reader of the environment. */
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { ConfigError } from './domain/errors.ts';
import { POLICY_DEFAULTS, type PolicyDefaults } from './domain/run-policy.ts';
import { parseTiming } from './domain/schedule/parse-timing.ts';
import { timeZoneProblem } from './domain/schedule/zone-clock.ts';

/** Where the program itself lies: for the sample vault. */
const HOME = resolve(dirname(fileURLToPath(import.meta.url)), '..');
export const SAMPLE_VAULT = resolve(HOME, 'sample-vault');
/** Read from the working directory if it is there and ALMANAC_CONFIG names no other. */
const DEFAULT_FILE = 'almanac.config.json';

const YEAR_SECONDS = 365 * 24 * 3_600;

const Text = z.string().min(1);
/** In any case, because the Python services write `True` (contracts §11.3). */
const Switch = z
  .string()
  .toLowerCase()
  .pipe(z.enum(['true', 'false']))
  .transform((text) => text === 'true');
const WholeNumber = z.string().trim().regex(/^\d+$/, 'must be a whole number').transform(Number);
const NatsUrls = z.string().refine(areNatsUrls, 'must be nats://host:port or tls://host:port, several of a cluster with commas between');
const TimeZone = z.string().superRefine((name, { addIssue }) => {
  const problem = timeZoneProblem(name);
  if (problem !== undefined) addIssue({ code: 'custom', message: problem });
});
const CronPattern = z.string().superRefine((text, { addIssue }) => {
  const problem = cronProblem(text);
  if (problem !== undefined) addIssue({ code: 'custom', message: problem });
});

const Settings = z.object({
  /** Data folder of this instance: embedded NATS, graph, what clients need to find us. */
  ALMANAC_DATA: Text.default('./data'),
  /** Use this server; nothing is started. */
  NATS_URL: NatsUrls.optional(),
  NATS_CREDS: Text.optional(),
  /** Path of a nats-server binary for the embedded server. */
  NATS_SERVER: Text.optional(),
  /** Copies of each stream on a cluster. */
  ALMANAC_REPLICAS: WholeNumber.pipe(z.number().min(1).max(5)).default(1),
  /** A crashed process's runs go on elsewhere after this many seconds. */
  ALMANAC_LEASE_SECONDS: z.coerce.number().min(0.5).max(600).default(6),
  /** Runs at once in this process, over all job types. */
  ALMANAC_MAX_RUNS: WholeNumber.pipe(z.number().min(1).max(100_000)).default(100),
  VAULT_PATH: Text.default(SAMPLE_VAULT),
  VAULT_TIER1_PATH: Text.default('conversations'),
  VAULT_SUMMARIES_PATH: Text.default('summaries'),
  VAULT_CONCEPTS_PATH: Text.default('concepts'),
  /** Name family of markers: contracts §1. */
  ALMANAC_MARKER_PREFIX: z.enum(['aclarai', 'clarifai']).default('aclarai'),
  SCHEDULER_TIMEZONE: TimeZone.default('UTC'),
  /** The config file of the ClarifAI services, whose `scheduler.jobs` decide when jobs run. @default the first that is found: contracts §12.3 */
  CLARIFAI_CONFIG: Text.optional(),
  /** The folder of that file. */
  SETTINGS_PATH: Text.optional(),
  /** No schedule starts anything while this is true: contracts §12.1. */
  AUTOMATION_PAUSE: Switch.default(false),
  VAULT_SYNC_ENABLED: Switch.default(true),
  VAULT_SYNC_CRON: CronPattern.optional(),
  /** The jobs of the night at a time of their own each, or one after the other by one schedule. */
  NIGHTLY: z.enum(['staggered', 'chained']).default('staggered'),
  /**
   * Further attempts of an activity after its first one has failed, for job types that do not say themselves. The name is the seed's and
   * counts retries, not attempts: 3 means 4 attempts (`maxAttempts`), 0 means one.
   */
  MAX_RETRIES: WholeNumber.pipe(z.number().max(1_000_000)).default(POLICY_DEFAULTS.maxAttempts - 1),
  /** Seconds that one attempt of an activity may take, not the whole run, for job types that do not say themselves. */
  JOB_TIMEOUT: WholeNumber.pipe(z.number().min(1).max(YEAR_SECONDS)).default(POLICY_DEFAULTS.attemptTimeoutMs / 1_000),
  ENABLE_MONITORING: Switch.default(true),
  /** The address that metrics are served on; 0.0.0.0 for scrapers on other machines. */
  METRICS_HOST: Text.default('127.0.0.1'),
  /** 0: a free port. */
  METRICS_PORT: WholeNumber.pipe(z.number().max(65_535)).default(9464),
  /** @default warn when people read it, info when a program does */
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).optional(),
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
  /** Runs at once in this process. */
  readonly maxRuns: number;
  readonly vault: {
    readonly root: string;
    readonly isSample: boolean;
    readonly tierFolders: { readonly 1: string; readonly 2: string; readonly 3: string };
    readonly markerPrefix: 'aclarai' | 'clarifai';
  };
  readonly timeZone: string;
  /** Where the config file of the ClarifAI services is. */
  readonly clarifaiConfig: { readonly path?: string | undefined; readonly settingsPath?: string | undefined };
  /** No schedule starts anything. */
  readonly automationPause: boolean;
  /** By job type; a cron of undefined means: as the job type says. */
  readonly schedules: Readonly<Record<string, { readonly enabled: boolean; readonly cron?: string | undefined }>>;
  readonly nightly: 'staggered' | 'chained';
  readonly policyDefaults: PolicyDefaults;
  readonly metrics: { readonly enabled: boolean; readonly host: string; readonly port: number };
  readonly logLevel: string;
  /** For children that look at it themselves: the search for a server binary. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

type Environment = Readonly<Record<string, string | undefined>>;

export interface ConfigSources {
  /** Settings given on the command line, under their environment names. */
  readonly flags?: Partial<Record<Setting, string>> | undefined;
  /** Whether the log goes to a terminal. @default false */
  readonly terminal?: boolean | undefined;
}

/** @throws {ConfigError} Names every setting that is wrong, and how. */
export function readConfig(environment: Environment, { flags = {}, terminal = false }: ConfigSources = {}): Config {
  const file = readFile(environment.ALMANAC_CONFIG);
  const parsed = Settings.safeParse({ ...file.settings, ...withoutEmpty(pick(environment)), ...withoutEmpty(flags) });
  const problems = [...file.problems, ...(parsed.error?.issues.map(describe) ?? [])];
  if (parsed.data === undefined || problems.length > 0) throw new ConfigError(`wrong settings:\n  - ${problems.join('\n  - ')}`);
  return configOf(parsed.data, environment, terminal);
}

function configOf(settings: z.output<typeof Settings>, environment: Environment, terminal: boolean): Config {
  const root = resolve(settings.VAULT_PATH);
  return {
    dataDir: resolve(settings.ALMANAC_DATA),
    cacheDir: resolve(environment.XDG_CACHE_HOME || resolve(homedir(), '.cache'), 'almanac'),
    nats: {
      url: settings.NATS_URL,
      credentials: settings.NATS_CREDS,
      replicas: settings.ALMANAC_REPLICAS,
      leaseMs: Math.round(settings.ALMANAC_LEASE_SECONDS * 1_000),
    },
    maxRuns: settings.ALMANAC_MAX_RUNS,
    vault: {
      root,
      isSample: root === SAMPLE_VAULT,
      tierFolders: { 1: settings.VAULT_TIER1_PATH, 2: settings.VAULT_SUMMARIES_PATH, 3: settings.VAULT_CONCEPTS_PATH },
      markerPrefix: settings.ALMANAC_MARKER_PREFIX,
    },
    timeZone: settings.SCHEDULER_TIMEZONE,
    clarifaiConfig: { path: settings.CLARIFAI_CONFIG, settingsPath: settings.SETTINGS_PATH },
    automationPause: settings.AUTOMATION_PAUSE,
    schedules: { 'vault-sync': { enabled: settings.VAULT_SYNC_ENABLED, cron: settings.VAULT_SYNC_CRON } },
    nightly: settings.NIGHTLY,
    policyDefaults: { maxAttempts: settings.MAX_RETRIES + 1, attemptTimeoutMs: settings.JOB_TIMEOUT * 1_000 },
    metrics: { enabled: settings.ENABLE_MONITORING, host: settings.METRICS_HOST, port: settings.METRICS_PORT },
    logLevel: settings.LOG_LEVEL ?? (terminal ? 'warn' : 'info'),
    environment: { ...environment, NATS_SERVER: settings.NATS_SERVER },
  };
}

/** A JSON object with the same names as the environment. Unknown names are mistakes: they are misspelt settings. */
function readFile(named: string | undefined): { settings: Record<string, string>; problems: string[] } {
  const path = named || DEFAULT_FILE;
  if (!named && !existsSync(path)) return { settings: {}, problems: [] };
  try {
    const settings = z
      .record(z.string(), z.union([z.string(), z.number(), z.boolean()], 'must be text, a number, true or false').transform(String))
      .safeParse(JSON.parse(readFileSync(path, 'utf8')));
    if (!settings.success)
      return { settings: {}, problems: settings.error.issues.map((issue) => `settings file ${path}: ${describe(issue)}`) };
    const unknown = Object.keys(settings.data).filter((name) => !Object.hasOwn(Settings.shape, name));
    return { settings: settings.data, problems: unknown.map((name) => `settings file ${path}: there is no setting ${name}`) };
  } catch (cause) {
    return { settings: {}, problems: [`settings file ${path}: ${(cause as Error).message}`] };
  }
}

const describe = ({ path, message }: z.core.$ZodIssue) => [path.join('.'), message].filter(Boolean).join(': ');

const pick = (environment: Environment) => Object.fromEntries(Object.keys(Settings.shape).map((name) => [name, environment[name]]));
/** An empty variable is how compose files and shells say "not set". */
const withoutEmpty = (settings: Environment) =>
  Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined && value !== ''));

function areNatsUrls(text: string): boolean {
  return text.split(',').every((url) => /^(nats|tls):\/\/[^/\s]+$/.test(url.trim().replace(/\/$/, '')) && URL.canParse(url.trim()));
}

function cronProblem(cron: string): string | undefined {
  try {
    parseTiming({ cron }, { timeZone: 'UTC' });
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
