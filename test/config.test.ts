import { mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type ConfigSources, readConfig, SAMPLE_VAULT } from '../src/config.ts';
import { ConfigError } from '../src/domain/errors.ts';
import { temporaryFolder } from './support/temporary-folder.ts';

/** A settings file, and the variable that names it. */
function settingsFile(content: unknown): { ALMANAC_CONFIG: string } {
  const folder = temporaryFolder();
  onTestFinished(() => folder.remove());
  return { ALMANAC_CONFIG: folder.write('settings.json', typeof content === 'string' ? content : JSON.stringify(content)) };
}

function mistakesIn(environment: Record<string, string>, sources?: ConfigSources): string {
  try {
    readConfig(environment, sources);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).message;
  }
  throw new Error('no mistake was found');
}

describe('a setting comes from', () => {
  it('the default, when nobody gives it', () => {
    expect(readConfig({})).toEqual({
      dataDir: resolve('data'),
      cacheDir: join(homedir(), '.cache/almanac'),
      nats: { url: undefined, credentials: undefined, replicas: 1, leaseMs: 6_000 },
      maxRuns: 100,
      vault: {
        root: SAMPLE_VAULT,
        isSample: true,
        tierFolders: { 1: 'conversations', 2: 'summaries', 3: 'concepts' },
        markerPrefix: 'aclarai',
      },
      timeZone: 'UTC',
      clarifaiConfig: { path: undefined, settingsPath: undefined },
      automationPause: false,
      schedules: { 'vault-sync': { enabled: true, cron: undefined } },
      nightly: 'staggered',
      policyDefaults: { maxAttempts: 4, attemptTimeoutMs: 3_600_000 },
      metrics: { enabled: true, host: '127.0.0.1', port: 9464 },
      logLevel: 'info',
      environment: { NATS_SERVER: undefined },
    });
  });

  it('the file before the default', () => {
    const { metrics, vault } = readConfig(settingsFile({ METRICS_PORT: 1234, ENABLE_MONITORING: false, VAULT_PATH: '/vault' }));
    expect([metrics, vault.root, vault.isSample]).toEqual([{ enabled: false, host: '127.0.0.1', port: 1234 }, '/vault', false]);
  });

  it('the environment before the file', () => {
    expect(readConfig({ ...settingsFile({ METRICS_PORT: 1234 }), METRICS_PORT: '2345' }).metrics.port).toBe(2345);
  });

  it('a flag before the environment', () => {
    const environment = { ...settingsFile({ METRICS_PORT: 1234 }), METRICS_PORT: '2345' };
    expect(readConfig(environment, { flags: { METRICS_PORT: '3456' } }).metrics.port).toBe(3456);
  });

  it('the next in this order when it is empty, which is how compose files say "not set"', () => {
    const environment = { ...settingsFile({ METRICS_PORT: 1234 }), METRICS_PORT: '', NATS_URL: '', ALMANAC_DATA: '' };
    const { metrics, nats, dataDir } = readConfig(environment, { flags: { METRICS_PORT: '' } });
    expect([metrics.port, nats.url, dataDir]).toEqual([1234, undefined, resolve('data')]);
    expect(readConfig({ ALMANAC_CONFIG: '' }).metrics.port).toBe(9464);
  });
});

describe('a mistake', () => {
  it('is reported together with all the others, wherever they are', () => {
    const file = settingsFile({ VAULT_PAHT: '/vault', METRICS_PORT: 'many' });
    const message = mistakesIn({ ...file, SCHEDULER_TIMEZONE: 'Mars/Olympus' }, { flags: { NATS_URL: 'localhost' } });
    for (const name of ['VAULT_PAHT', 'METRICS_PORT', 'SCHEDULER_TIMEZONE', 'NATS_URL']) expect(message).toContain(name);
  });

  it.each([
    ['SCHEDULER_TIMEZONE', 'Berlin', 'time zone'],
    ['VAULT_SYNC_CRON', 'every day', 'cron'],
    ['VAULT_SYNC_CRON', '0 25 * * *', 'cron'],
    ['VAULT_SYNC_ENABLED', 'yes', '"true"|"false"'],
    ['METRICS_PORT', '65536', '65535'],
    ['METRICS_PORT', '-1', 'whole number'],
    ['METRICS_PORT', ' ', 'whole number'],
    ['ALMANAC_REPLICAS', '0', '1'],
    ['ALMANAC_REPLICAS', '2.5', 'whole number'],
    ['ALMANAC_LEASE_SECONDS', '0.1', '0.5'],
    ['ALMANAC_LEASE_SECONDS', 'long', 'number'],
    ['ALMANAC_MARKER_PREFIX', 'claraify', 'aclarai'],
    ['MAX_RETRIES', '-1', 'whole number'],
    ['MAX_RETRIES', '2.5', 'whole number'],
    ['MAX_RETRIES', '1e9', 'whole number'],
    ['MAX_RETRIES', '9999999999999999999', '1000000'],
    ['JOB_TIMEOUT', '0', '1'],
    ['JOB_TIMEOUT', 'soon', 'whole number'],
    ['JOB_TIMEOUT', '99999999999', '31536000'],
    ['NIGHTLY', 'sometimes', 'staggered'],
    ['LOG_LEVEL', 'loud', '"info"'],
    ['NATS_URL', 'http://127.0.0.1:4222', 'nats://'],
    ['NATS_URL', 'nats://a:4222, b', 'nats://'],
  ])('%s=%j says what was expected', (name, value, expected) => {
    const message = mistakesIn({ [name]: value });
    expect(message).toContain(name);
    expect(message).toContain(expected);
  });

  it.each([
    ['is not JSON', '{', /JSON/],
    ['is no object', '[1]', /expected record/i],
    ['holds something nested', '{"VAULT_PATH":{"root":"/"}}', /VAULT_PATH.*must be text/],
    ['has a name that every object has', '{"constructor":"x"}', /no setting constructor/],
    ['names itself', '{"ALMANAC_CONFIG":"other.json"}', /no setting ALMANAC_CONFIG/],
  ])('in a file that %s names the file', (_, content, expected) => {
    const file = settingsFile(content);
    const message = mistakesIn(file);
    expect(message).toContain(file.ALMANAC_CONFIG);
    expect(message).toMatch(expected);
  });

  it('is a named file that cannot be read, or is none', () => {
    const folder = temporaryFolder();
    onTestFinished(() => folder.remove());
    expect(mistakesIn({ ALMANAC_CONFIG: join(folder.path, 'missing.json') })).toMatch(/missing\.json.*ENOENT/);
    mkdirSync(join(folder.path, 'folder.json'));
    expect(mistakesIn({ ALMANAC_CONFIG: join(folder.path, 'folder.json') })).toMatch(/folder\.json.*EISDIR/);
  });
});

it.each(['nats://127.0.0.1:4222', 'tls://nats.example', 'nats://a:4222,nats://b:4222', 'nats://[::1]:4222', 'nats://me:secret@host:4222'])(
  'NATS_URL may be %s',
  (url) => expect(readConfig({ NATS_URL: url }).nats.url).toBe(url),
);

it.each(['true', 'True', 'TRUE'])('a switch is on with %s, as the Python services write it', (text) => {
  expect(readConfig({ VAULT_SYNC_ENABLED: text }).schedules['vault-sync']?.enabled).toBe(true);
});

it.each([
  [{ MAX_RETRIES: '0' }, { maxAttempts: 1, attemptTimeoutMs: 3_600_000 }],
  [
    { MAX_RETRIES: '5', JOB_TIMEOUT: '30' },
    { maxAttempts: 6, attemptTimeoutMs: 30_000 },
  ],
])('%j: retries come after the first attempt, and an attempt has seconds', (settings, defaults) => {
  expect(readConfig(settings).policyDefaults).toEqual(defaults);
});

it('a lease is a whole number of milliseconds, because the server ignores fractions', () => {
  expect(readConfig({ ALMANAC_LEASE_SECONDS: '0.5004999' }).nats.leaseMs).toBe(500);
});

it('the log of a terminal has warnings only, unless LOG_LEVEL says otherwise', () => {
  expect(readConfig({}, { terminal: true }).logLevel).toBe('warn');
  expect(readConfig({ LOG_LEVEL: 'info' }, { terminal: true }).logLevel).toBe('info');
});
