import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { findClarifaiConfig } from '../../../src/adapters/system/clarifai-config.ts';
import { ConfigError } from '../../../src/domain/errors.ts';
import { clarifaiJobs } from '../../../src/domain/schedule/clarifai-jobs.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

function folder() {
  const made = temporaryFolder();
  onTestFinished(() => made.remove());
  return made;
}

async function read(content: string | Uint8Array) {
  const made = folder();
  return (await findClarifaiConfig({ path: made.write('a.yaml', content), workingDirectory: made.path }))!;
}

async function refusal(content: string | Uint8Array): Promise<string> {
  const error = await read(content).catch((error: unknown) => error);
  expect(error).toBeInstanceOf(ConfigError);
  return (error as ConfigError).message.replace(/^ClarifAI config file \S+\/a\.yaml /, '');
}

/** As the UI writes it: PyYAML's block style, without quotes where none are needed. */
const WRITTEN_BY_UI = `\
version: 0.1.0
paths:
  vault: /vault
  settings: /settings
embedding:
  concept: text-embedding-3-small
processing:
  temperature: 0.1
  retries:
    max_attempts: 3
scheduler:
  jobs:
    concept_embedding_refresh:
      enabled: true
      manual_only: false
      cron: 0 3 * * *
      description: Refresh concept embeddings from Tier 3 pages
    vault_sync:
      enabled: true
      manual_only: false
      cron: '*/30 * * * *'
      description: 'Sync: the vault''s files'
    top_concepts:
      enabled: true
      manual_only: true
      cron: 0 4 * * *
      metric: pagerank
      count: 25
      percent: null
      target_file: Top Concepts.md
    trending_topics:
      enabled: false
      cron: null
      description:
vault_watcher:
  file_patterns:
    exclude:
    - .*
    - '*~'
`;

describe('a ClarifAI config file', () => {
  it('gives the jobs that the UI has written into it', async () => {
    const { settings, warnings } = await read(WRITTEN_BY_UI);
    const { jobs } = clarifaiJobs({ file: settings, environment: {}, translate: (cron) => ({ cron, warnings: [] }) });
    expect(jobs.map(({ decidedBy, ...job }) => job)).toEqual([
      {
        jobType: 'concept-embedding-refresh',
        enabled: true,
        manualOnly: false,
        cron: '0 3 * * *',
        description: 'Refresh concept embeddings from Tier 3 pages',
        warnings: [],
        otherKeys: {},
      },
      {
        jobType: 'vault-sync',
        enabled: true,
        manualOnly: false,
        cron: '*/30 * * * *',
        description: "Sync: the vault's files",
        warnings: [],
        otherKeys: {},
      },
      {
        jobType: 'top-concepts',
        enabled: true,
        manualOnly: true,
        cron: '0 4 * * *',
        warnings: [],
        otherKeys: { metric: 'pagerank', count: 25, percent: null, target_file: 'Top Concepts.md' },
      },
      { jobType: 'trending-topics', enabled: false, manualOnly: false, warnings: [], otherKeys: {} },
    ]);
    expect(warnings).toEqual([]);
  });

  it('keeps every key, known or not', async () => {
    const { settings } = await read(`${WRITTEN_BY_UI}new_section:\n  in_version: 9\n`);
    expect(settings).toMatchObject({ new_section: { in_version: 9 }, vault_watcher: { file_patterns: { exclude: ['.*', '*~'] } } });
  });

  it.each(['', '# nothing but a comment\n', 'null\n'])('may be empty (%j)', async (content) => {
    expect((await read(content)).settings).toEqual({});
  });

  it('is read as PyYAML reads it: yes and off, merge keys, the last of repeated keys, a mark at its begin', async () => {
    const { settings } = await read('\uFEFFa: yes\nb: off\nbase: &base {c: 1}\nmerged:\n  <<: *base\n  d: 2\na: no\n');
    expect(settings).toEqual({ a: false, b: false, base: { c: 1 }, merged: { c: 1, d: 2 } });
  });

  it('cannot reach the prototype of anything', async () => {
    const { settings } = await read('__proto__:\n  scheduler: {}\n');
    expect(Object.hasOwn(settings, '__proto__')).toBe(true);
    expect(settings.scheduler).toBeUndefined();
  });

  it('tells of tags that it does not know', async () => {
    expect((await read('a: !!python/object:b 1\n')).warnings).toEqual([expect.stringContaining('python/object')]);
  });
});

describe('refused is a ClarifAI config file', () => {
  it.each([
    ['a:\n  b: [1\nc: 2\n', /^is not valid YAML, line 3, column 1: .*Repair that line$/],
    ['a:\n\tb: 1\n', /^is not valid YAML, line 2, column 1: Tabs are not allowed/],
    ['scheduler:\n  cron: */30 * * * *\n', /line 2, column 14: .*needs quotes: cron: '\*\/30 \* \* \* \*'$/],
    ['a: 1\n--- \nb: 2\n', /^is not valid YAML, line 2, column 1/],
    ['a: *nowhere\n', /nowhere.*Repair or remove the aliases/],
    ['- a\n- b\n', /^must be a mapping/],
    ['just text\n', /^must be a mapping/],
    ['a: '.concat('['.repeat(50_000)), /^is not valid YAML, line 1/],
  ])('with %j', async (content, message) => {
    expect(await refusal(content)).toMatch(message);
  });

  it('whose aliases unfold to more than a machine can hold', async () => {
    const levels = Array.from({ length: 30 }, (_, level) => `l${level + 1}: &l${level + 1} [${Array(9).fill(`*l${level}`)}]`);
    expect(await refusal(`l0: &l0 [x]\n${levels.join('\n')}\n`)).toMatch(/^cannot be used: .*aliases/);
  });

  it.each([
    ['Latin-1', Buffer.from('a: ä\n', 'latin1')],
    ['UTF-16', Buffer.from('\uFEFFa: b\n', 'utf16le')],
  ])('in %s', async (_, bytes) => {
    expect(await refusal(bytes)).toBe('is not UTF-8 text: save it as UTF-8');
  });

  it('of more than 1 MiB, not of just that', async () => {
    const comment = `# ${'x'.repeat(1024 * 1024 - 3)}\n`;
    expect((await read(comment)).settings).toEqual({});
    expect(await refusal(`${comment} `)).toBe('has 1048577 bytes, at most 1048576 are read: is it the right file?');
  });

  it.each([
    ['is missing', 'does not exist: correct the path', () => undefined],
    ['is a folder', 'is a folder: name the file in it', (path: string) => mkdirSync(path)],
    ['is a pipe', 'is not a regular file', (path: string) => execFileSync('mkfifo', [path])],
    ['is a link to itself', 'cannot be opened (ELOOP): let the user of this process read it', (path: string) => symlinkSync(path, path)],
  ])('that %s', async (_, message, make) => {
    const { path: root } = folder();
    const path = join(root, 'a.yaml');
    make(path);
    await expect(findClarifaiConfig({ path, workingDirectory: root })).rejects.toThrow(`ClarifAI config file ${path} ${message}`);
  });
});

describe('the ClarifAI config file is', () => {
  const NAME = 'aclarai.config.yaml';
  const found = async (files: readonly string[], settingsPath?: string) => {
    const made = folder();
    for (const file of files) made.write(file, 'a: 1\n');
    mkdirSync(join(made.path, 'app/service'), { recursive: true });
    const places = { workingDirectory: join(made.path, 'app/service'), settingsPath: settingsPath && join(made.path, settingsPath) };
    return (await findClarifaiConfig(places))?.path.slice(made.path.length + 1);
  };

  it('in the settings folder nearest above the working directory, before any other', async () => {
    expect(await found([`app/service/${NAME}`, `app/settings/${NAME}`, `settings/${NAME}`])).toBe(`app/settings/${NAME}`);
  });

  it('else the nearest without such a folder', async () => {
    expect(await found([NAME, `app/${NAME}`])).toBe(`app/${NAME}`);
  });

  it('in SETTINGS_PATH, before all that', async () => {
    expect(await found([`app/service/settings/${NAME}`, `mounted/${NAME}`], 'mounted')).toBe(`mounted/${NAME}`);
  });

  it('SETTINGS_PATH itself, when that names a file', async () => {
    expect(await found([`app/settings/${NAME}`, 'mounted/other.yaml'], 'mounted/other.yaml')).toBe('mounted/other.yaml');
  });

  it('looked for elsewhere when SETTINGS_PATH has none', async () => {
    expect(await found([`app/settings/${NAME}`], 'mounted')).toBe(`app/settings/${NAME}`);
  });

  it('not needed', async () => {
    expect(await found([])).toBeUndefined();
  });

  it('not passed over when it cannot be read', async () => {
    const made = folder();
    made.write(NAME, 'a: 1\n');
    mkdirSync(join(made.path, 'settings', NAME), { recursive: true });
    await expect(findClarifaiConfig({ workingDirectory: made.path })).rejects.toThrow('is a folder');
  });
});
