import { describe, expect, it } from 'vitest';
import { InvalidIdError } from '../../../src/domain/errors.ts';
import { type ClarifaiJob, clarifaiJobs } from '../../../src/domain/schedule/clarifai-jobs.ts';

/** Marks what it was given. The real one has tests of its own. */
const translate = (cron: string) => {
  if (!/^[\d*,/-]+( [\d*,/-]+){4}$/.test(cron)) throw new InvalidIdError('cron', cron);
  return cron.endsWith('*') ? { cron, warnings: [] } : { cron: `moved ${cron}`, warnings: ['weekdays moved'] };
};
const jobsOf = (jobs: unknown, environment: Record<string, string> = {}) =>
  clarifaiJobs({ file: { scheduler: { jobs } }, environment, translate });

function jobOf(id: string, entry: unknown, environment: Record<string, string> = {}): ClarifaiJob {
  const { jobs, warnings } = jobsOf({ [id]: entry }, environment);
  expect(warnings).toEqual([]);
  expect(jobs).toHaveLength(1);
  return jobs[0]!;
}

const EVERY_KEY = { enabled: true, manual_only: false, cron: '*/30 * * * *', description: 'Sync vault files' };

describe('a job of a ClarifAI config file', () => {
  it('has our name, its own cron and description', () => {
    expect(jobOf('vault_sync', EVERY_KEY)).toEqual({
      jobType: 'vault-sync',
      enabled: true,
      manualOnly: false,
      cron: '*/30 * * * *',
      description: 'Sync vault files',
      decidedBy: 'scheduler.jobs.vault_sync.cron',
      warnings: [],
      otherKeys: {},
    });
  });

  it.each([
    ['null', null],
    ['an empty mapping', {}],
    ['nulls', { enabled: null, manual_only: null, cron: null, description: null }],
  ])('is enabled and runs as its job type says when it is %s', (_, entry) => {
    expect(jobOf('vault_sync', entry)).toEqual({
      jobType: 'vault-sync',
      enabled: true,
      manualOnly: false,
      decidedBy: expect.stringContaining('the job type itself'),
      warnings: [],
      otherKeys: {},
    });
  });

  it('keeps the keys that mean nothing to a schedule', () => {
    const job = jobOf('top_concepts', { ...EVERY_KEY, metric: 'pagerank', count: null, later: { by: ['version', 9] } });
    expect(job.otherKeys).toEqual({ metric: 'pagerank', count: null, later: { by: ['version', 9] } });
    expect(job.warnings).toEqual([]);
  });

  it('is disabled by the file, whatever the environment says', () => {
    const job = jobOf('top_concepts', { enabled: false, manual_only: true }, { TOP_CONCEPTS_ENABLED: 'true' });
    expect(job).toMatchObject({ enabled: false, manualOnly: true, decidedBy: 'scheduler.jobs.top_concepts.enabled is false' });
    expect(job.warnings).toEqual([expect.stringContaining('TOP_CONCEPTS_ENABLED=true changes nothing')]);
  });

  it('is manual before the environment is asked', () => {
    const job = jobOf('top_concepts', { manual_only: true }, { TOP_CONCEPTS_ENABLED: 'false' });
    expect(job).toMatchObject({ enabled: true, manualOnly: true, decidedBy: expect.stringContaining('manual_only is true') });
  });

  it.each(['false', 'yes', '1', '', ' true'])('is disabled by TOP_CONCEPTS_ENABLED=%j', (value) => {
    const job = jobOf('top_concepts', EVERY_KEY, { TOP_CONCEPTS_ENABLED: value });
    expect(job.enabled).toBe(false);
    expect(job.decidedBy).toContain(`TOP_CONCEPTS_ENABLED is ${JSON.stringify(value)}`);
  });

  it.each(['true', 'TRUE', 'True'])('stays enabled with TOP_CONCEPTS_ENABLED=%s', (value) => {
    expect(jobOf('top_concepts', EVERY_KEY, { TOP_CONCEPTS_ENABLED: value })).toMatchObject({ enabled: true, warnings: [] });
  });

  it('runs when the environment says, instead of the file', () => {
    const environment = { TOP_CONCEPTS_CRON: '0 5 * * *' };
    expect(jobOf('top_concepts', { cron: '0 4 * * 0' }, environment)).toMatchObject({
      cron: '0 5 * * *',
      decidedBy: 'TOP_CONCEPTS_CRON in the environment',
      warnings: [],
    });
  });

  it('has its cron translated, from either place, and says what that changed', () => {
    const warnings = ['scheduler.jobs.top_concepts.cron: weekdays moved'];
    expect(jobOf('top_concepts', { cron: '0 4 * * 0' })).toMatchObject({ cron: 'moved 0 4 * * 0', warnings });
    expect(jobOf('top_concepts', {}, { TOP_CONCEPTS_CRON: '0 4 * * 0' }).warnings).toEqual([
      'TOP_CONCEPTS_CRON in the environment: weekdays moved',
    ]);
  });

  it('has no variables when it is vault_sync: those are read elsewhere', () => {
    const environment = { VAULT_SYNC_ENABLED: 'false', VAULT_SYNC_CRON: '1 1 * * *' };
    expect(jobOf('vault_sync', EVERY_KEY, environment)).toMatchObject({ enabled: true, cron: '*/30 * * * *' });
  });
});

describe('a wrong value', () => {
  it.each([
    ['enabled', 'maybe', { enabled: true }, 'must be true or false, but is "maybe": it counts as true'],
    ['enabled', 0, { enabled: true }, 'must be true or false, but is 0'],
    ['enabled', ['true'], { enabled: true }, 'must be true or false, but is a list'],
    ['manual_only', {}, { manualOnly: false }, 'must be true or false, but is a mapping: it counts as false'],
    ['cron', 17, { cron: undefined }, 'must be text such as "0 3 * * *", but is 17: it is ignored, and the default holds'],
    ['cron', 'daily', { cron: undefined }, 'cron is ignored: "daily" cannot be'],
    ['cron', '', { cron: undefined }, 'cron is ignored'],
    ['description', 5, { description: undefined }, 'must be text, but is 5'],
  ])('of %s (%j) is a warning, and the default holds', (key, value, expected, warning) => {
    const job = jobOf('vault_sync', { [key]: value });
    expect(job).toMatchObject({ enabled: true, manualOnly: false, ...expected });
    expect(job.warnings).toEqual([expect.stringContaining(`scheduler.jobs.vault_sync.${key}`)]);
    expect(job.warnings[0]).toContain(warning);
  });

  it('of a switch is none when it is only in quotes', () => {
    expect(jobOf('vault_sync', { enabled: 'False', manual_only: 'true' })).toMatchObject({
      enabled: false,
      manualOnly: true,
      warnings: [],
    });
  });

  it('of TOP_CONCEPTS_CRON leaves the cron of the file', () => {
    const job = jobOf('top_concepts', { cron: '0 4 * * *' }, { TOP_CONCEPTS_CRON: '' });
    expect(job).toMatchObject({ cron: '0 4 * * *', decidedBy: 'scheduler.jobs.top_concepts.cron' });
    expect(job.warnings).toEqual([expect.stringContaining('TOP_CONCEPTS_CRON in the environment is ignored')]);
  });

  it('of one job leaves the others alone', () => {
    const { jobs, warnings } = jobsOf({ vault_sync: [1], top_concepts: EVERY_KEY });
    expect(jobs.map(({ jobType, enabled, warnings }) => [jobType, enabled, warnings.length])).toEqual([
      ['vault-sync', true, 1],
      ['top-concepts', true, 0],
    ]);
    expect(warnings).toEqual([]);
  });

  it.each([[['vault_sync']], ['vault_sync'], [7]])('of scheduler.jobs (%j) is a warning', (jobs) => {
    expect(jobsOf(jobs)).toEqual({ jobs: [], warnings: [expect.stringContaining('scheduler.jobs must be a mapping')] });
  });

  it('of scheduler is a warning', () => {
    const { jobs, warnings } = clarifaiJobs({ file: { scheduler: 'off' }, environment: {}, translate });
    expect([jobs, warnings]).toEqual([[], [expect.stringContaining('scheduler must be a mapping, but is "off"')]]);
  });

  it('is a bug, not a warning, when it is the translation that breaks', () => {
    const broken = () => {
      throw new TypeError('a bug');
    };
    const settings = { file: { scheduler: { jobs: { vault_sync: EVERY_KEY } } }, environment: {}, translate: broken };
    expect(() => clarifaiJobs(settings)).toThrow('a bug');
  });
});

describe('the jobs of a ClarifAI config file', () => {
  it('are none without a file, but for those that the environment mentions', () => {
    const environment = { TRENDING_TOPICS_ENABLED: 'false', CONCEPT_CLUSTERING_CRON: '0 1 * * *', VAULT_SYNC_ENABLED: 'false' };
    const { jobs, warnings } = clarifaiJobs({ file: undefined, environment, translate });
    expect(jobs.map(({ jobType, enabled, cron }) => [jobType, enabled, cron])).toEqual([
      ['trending-topics', false, undefined],
      ['concept-clustering', true, '0 1 * * *'],
    ]);
    expect(warnings).toEqual([]);
  });

  it('may be new to us', () => {
    expect(jobOf('my_own_job', EVERY_KEY)).toMatchObject({ jobType: 'my-own-job', enabled: true, warnings: [] });
  });

  it('may not be named twice, nor as no job can be', () => {
    const { jobs, warnings } = jobsOf({ vault_sync: EVERY_KEY, 'vault-sync': { enabled: false }, 'a.b >': {} });
    expect(jobs.map(({ jobType, enabled }) => [jobType, enabled])).toEqual([['vault-sync', true]]);
    expect(warnings).toEqual([
      expect.stringContaining('scheduler.jobs.vault-sync is ignored'),
      expect.stringContaining('"a.b >" cannot be the name of a job'),
    ]);
  });
});
