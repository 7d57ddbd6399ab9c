/**
 * What a ClarifAI config file, and the environment beside it, say about each job's schedule, as the old service understood them (contracts
 * §11.2, §12.2). Nothing here is fatal: a wrong value is a warning, and the default holds.
 */
import { AlmanacError } from '../errors.ts';
import { isSafeToken, type JobTypeId } from '../ids.ts';

export interface ClarifaiJob {
  /** Our name: `vault-sync` for `vault_sync`. There need not be such a job type. */
  readonly jobType: JobTypeId;
  readonly enabled: boolean;
  /** The clock never starts it. */
  readonly manualOnly: boolean;
  /** In Almanac's meaning. Absent: as the job type says. */
  readonly cron?: string | undefined;
  readonly description?: string | undefined;
  /** What made it enabled, disabled or manual, in plain words. */
  readonly decidedBy: string;
  readonly warnings: readonly string[];
  /** What else the file says about the job, untouched, e.g. `count` of `top_concepts`. */
  readonly otherKeys: Readonly<Record<string, unknown>>;
}

export interface ClarifaiJobs {
  readonly jobs: readonly ClarifaiJob[];
  /** Those that concern no job of the list. */
  readonly warnings: readonly string[];
}

export interface ClarifaiSettings {
  /** The whole file as it was parsed; undefined when there is none. */
  readonly file: unknown;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** From APScheduler's cron, in which Monday is 0, to ours. @throws {AlmanacError} The pattern is not valid. */
  readonly translate: (cron: string) => { readonly cron: string; readonly warnings: readonly string[] };
}

type Mapping = Readonly<Record<string, unknown>>;

/** Only these looked at `<ID>_ENABLED` and `<ID>_CRON`. `vault_sync` did not: its variables are Almanac's own, with an ordinary cron. */
const WITH_VARIABLES = [
  'concept_embedding_refresh',
  'top_concepts',
  'trending_topics',
  'concept_highlight_refresh',
  'concept_summary_refresh',
  'concept_clustering',
  'subject_summary_refresh',
  'concept_subject_linking',
];

/** The jobs of the file, in its order, then those that only the environment mentions. */
export function clarifaiJobs(settings: ClarifaiSettings): ClarifaiJobs {
  const warnings: string[] = [];
  const scheduler = mappingAt('scheduler', mappingAt('the file', settings.file, warnings).scheduler, warnings);
  const entries = new Map(Object.entries(mappingAt('scheduler.jobs', scheduler.jobs, warnings)));
  for (const id of WITH_VARIABLES) {
    const mentioned = [`${id.toUpperCase()}_ENABLED`, `${id.toUpperCase()}_CRON`].some((name) => settings.environment[name] !== undefined);
    if (mentioned && !entries.has(id)) entries.set(id, undefined);
  }
  const jobs = new Map<string, ClarifaiJob>();
  for (const [id, entry] of entries) {
    const jobType = id.replaceAll('_', '-');
    if (!isSafeToken(jobType))
      warnings.push(`scheduler.jobs: ${JSON.stringify(id.slice(0, 80))} cannot be the name of a job and is ignored`);
    else if (jobs.has(jobType)) warnings.push(`scheduler.jobs.${id} is ignored: the file names ${jobType} before, written differently`);
    else jobs.set(jobType, decide(id, jobType as JobTypeId, entry, settings));
  }
  return { jobs: [...jobs.values()], warnings };
}

/** In this order: `enabled`, `manual_only`, `<ID>_ENABLED`. The pause comes before all of them, and is asked at every occurrence. */
function decide(id: string, jobType: JobTypeId, entry: unknown, settings: ClarifaiSettings): ClarifaiJob {
  const warnings: string[] = [];
  const path = `scheduler.jobs.${id}`;
  const { enabled, manual_only, cron, description, ...otherKeys } = mappingAt(path, entry, warnings);
  const isEnabled = truth(`${path}.enabled`, enabled, true, warnings);
  const isManual = truth(`${path}.manual_only`, manual_only, false, warnings);
  const prefix = WITH_VARIABLES.includes(id) ? id.toUpperCase() : undefined;
  const variable = prefix && settings.environment[`${prefix}_ENABLED`];
  const isSwitchedOff = variable !== undefined && variable.toLowerCase() !== 'true';
  const patterns = [
    { source: `${prefix}_CRON in the environment`, pattern: prefix && settings.environment[`${prefix}_CRON`] },
    { source: `${path}.cron`, pattern: textOf(`${path}.cron`, cron, 'text such as "0 3 * * *"', warnings) },
  ];
  const chosen = firstValid(patterns, settings.translate, warnings);
  const job = {
    jobType,
    enabled: isEnabled,
    manualOnly: isManual,
    cron: chosen?.cron,
    description: textOf(`${path}.description`, description, 'text', warnings),
    otherKeys,
    warnings,
  };
  if (!isEnabled || isManual) {
    if (variable !== undefined && !isSwitchedOff) {
      warnings.push(`${prefix}_ENABLED=${variable} changes nothing: the environment can only disable a job, the file decides first`);
    }
    return { ...job, decidedBy: isEnabled ? `${path}.manual_only is true: it starts only when asked to` : `${path}.enabled is false` };
  }
  if (isSwitchedOff) {
    const decidedBy = `${prefix}_ENABLED is ${JSON.stringify(variable)} in the environment: anything but "true" disables`;
    return { ...job, enabled: false, decidedBy };
  }
  return { ...job, decidedBy: chosen?.source ?? 'the job type itself: no valid cron is given elsewhere' };
}

/** The first pattern that can be read. A wrong one is passed over, with a warning. */
function firstValid(
  candidates: readonly { readonly source: string; readonly pattern: string | undefined }[],
  translate: ClarifaiSettings['translate'],
  warnings: string[],
): { source: string; cron: string } | undefined {
  for (const { source, pattern } of candidates) {
    if (pattern === undefined) continue;
    try {
      const translated = translate(pattern);
      warnings.push(...translated.warnings.map((warning) => `${source}: ${warning}`));
      return { source, cron: translated.cron };
    } catch (error) {
      if (!(error instanceof AlmanacError)) throw error;
      warnings.push(`${source} is ignored: ${error.message}`);
    }
  }
  return undefined;
}

function truth(key: string, value: unknown, otherwise: boolean, warnings: string[]): boolean {
  if (value === undefined || value === null) return otherwise;
  const text = String(value).toLowerCase();
  if (typeof value !== 'object' && (text === 'true' || text === 'false')) return text === 'true';
  warnings.push(`${key} must be true or false, but is ${shown(value)}: it counts as ${otherwise}, the default`);
  return otherwise;
}

function textOf(key: string, value: unknown, expected: string, warnings: string[]): string | undefined {
  if (value === undefined || value === null || typeof value === 'string') return value ?? undefined;
  warnings.push(`${key} must be ${expected}, but is ${shown(value)}: it is ignored, and the default holds`);
  return undefined;
}

function mappingAt(key: string, value: unknown, warnings: string[]): Mapping {
  if (value === undefined || value === null) return {};
  if (typeof value === 'object' && !Array.isArray(value)) return value as Mapping;
  warnings.push(`${key} must be a mapping, but is ${shown(value)}: it is ignored, and the defaults hold`);
  return {};
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : String(value);
}
