/** What the program answers without an instance to ask. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Installation, installation } from '../support/almanac-process.ts';
import { parseDiagram } from '../support/mermaid-grammar.ts';

let home: Installation;
beforeAll(async () => {
  home = await installation();
});
afterAll(() => home.dispose());

const COMMANDS = [
  '',
  'start',
  'job',
  'job list',
  'job diagram',
  'job check',
  'run',
  'run start',
  'run list',
  'run describe',
  'run history',
  'run diagram',
  'run cancel',
  'run pause',
  'run resume',
  'run retry',
  'run signal',
  'schedule',
  'schedule list',
  'schedule describe',
  'schedule create',
  'schedule update',
  'schedule pause',
  'schedule resume',
  'schedule delete',
  'schedule trigger',
  'schedule backfill',
  'schedule next',
  'schedule ledger',
  'pause',
  'resume',
  'why',
  'simulate',
  'dlq',
  'dlq list',
  'dlq show',
  'dlq redrive',
  'dlq drop',
  'replay',
];
it('every command explains itself', async () => {
  const answers = await Promise.all(COMMANDS.map((command) => home.run(...command.split(' ').filter(Boolean), '--help')));
  answers.forEach(({ code, stdout, stderr }, at) => {
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(`Usage: almanac ${COMMANDS[at]}`.trim());
  });
}, 60_000);

it('commands for runs say what their exit codes mean', async () => {
  const { stdout } = await home.run('run', 'cancel', '--help');
  for (const text of [
    '0 carried out',
    '1 no answer in time, the command is stored',
    '3 there is no such run',
    '4 refused',
    '--timeout <seconds>',
  ])
    expect(stdout).toContain(text);
});

it('tells its version', async () => {
  expect(await home.run('--version')).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
});

describe('a mistake in the command line ends with 2 and says what was wrong:', () => {
  it.each([
    ['an unknown command', 'rum list', "unknown command 'rum'"],
    ['an unknown option', 'run list --colour', "unknown option '--colour'"],
    ['a missing argument', 'run describe', "missing required argument 'id'"],
    ['one argument too many', 'job list all', 'too many arguments'],
    ['an unknown format', 'run list -o yaml', 'table, json, ndjson'],
    ['a limit that is none', 'run list --limit few', 'whole number from 1'],
    ['a limit of nothing', 'run list --limit 0', 'whole number from 1'],
    ['a time in words', 'replay --since yesterday', '2026-11-23T02:00:00Z'],
    ['a time without a zone', 'replay --until 2026-11-23T02:00', '2026-11-23T02:00:00Z'],
    ['a day that is none', 'replay --since 2026-13-32', '2026-11-23T02:00:00Z'],
    ['input that is not JSON', 'run start vault-sync --input {tiers}', 'not JSON'],
    ['a key that is no id', 'run start vault-sync --key A.B', '"A.B" cannot be a run id'],
    ['a lane that is none', 'run start vault-sync --lane fast', 'high, normal, low'],
    ['two patterns', 'schedule create s --job vault-sync --every 10m --at 2027-01-01', 'cannot be used with'],
    ['a duration that is none', 'schedule create s --job vault-sync --every often', '90s, 10m, 1h30m'],
    ['a schedule that is no id', 'schedule pause Nightly!', '"Nightly!" cannot be a schedule id'],
    ['an update that says nothing', 'schedule update nightly', 'say what is to change'],
    ['a backfill of no time', 'schedule backfill nightly --from 2026-11-23', "required option '--to <time>'"],
    ['a backfill that is both done and shown', 'schedule backfill s --from 2026-11-23 --to 2026-11-24 --yes --plan', 'cannot be used with'],
    ['neither a schedule nor a pattern', 'schedule next', 'name a schedule, or a pattern'],
    ['a pattern that is none', 'schedule next --cron nightly', '"nightly": it has 1 field, not 5 or 6: write minute, hour,'],
    ['a zone that is none', 'schedule next --every 10m --tz Berlin', 'Europe/Berlin'],
    ['an instant that is missing', 'why nightly', "required option '--at <time>'"],
    ['a start at two times', 'run start vault-sync --at 2027-01-01 --in 10m', 'cannot be used with'],
    ['waiting for a run that is put off', 'run start vault-sync --in 10m --wait', 'cannot be used with'],
    ['a job type that is no id', 'run start Vault>', '"Vault>" cannot be a job type'],
    ['a filter that is no id', 'run list --job *', '"*" cannot be a job type'],
    ['a run to cancel that is no id', 'run cancel r1 R2', '"R2" cannot be a run id'],
    ['nothing to cancel', 'run cancel', "missing required argument 'ids'"],
    ['a payload that is no object', 'run signal r1 approve --payload [1]', 'must be a JSON object'],
    ['a payload that is no JSON', 'run signal r1 approve --payload {by}', 'not JSON'],
    ['a payload with a type', 'run signal r1 approve --payload {"type":"x"}', 'must not have a "type"'],
    ['an event without a type', 'run signal r1', "missing required argument 'type'"],
    ['a time to wait that is none', 'run retry r1 --timeout soon', 'It must be seconds'],
    ['a time to wait in the past', 'run pause r1 --timeout=-1', 'It must be seconds'],
    ['an address that is none', 'run list --nats localhost', 'NATS_URL'],
  ])('%s', async (_, line, text) => {
    const { code, stdout, stderr } = await home.run(...line.split(' '));
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(text);
    expect(stderr).not.toContain('    at '); // no stack
  });

  it('wrong settings, all of them at once', async () => {
    await using wrong = await installation({ METRICS_PORT: 'x', SCHEDULER_TIMEZONE: 'y', VAULT_SYNC_CRON: 'z' });
    const { code, stderr } = await wrong.run('start');
    expect(code).toBe(2);
    for (const name of ['METRICS_PORT', 'SCHEDULER_TIMEZONE', 'VAULT_SYNC_CRON']) expect(stderr).toContain(name);
  });
});

describe('with nobody there, it ends with 1 and says what to do:', () => {
  it('no instance on the data folder', async () => {
    const { code, stderr } = await home.run('run', 'list');
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `almanac: no Almanac is running on ${home.dataDir}: start one there with "almanac start", pick its folder with --data, or set NATS_URL\n`,
    });
  });

  it('no server at the address, whose password stays private', async () => {
    const { code, stderr } = await home.run('run', 'list', '--nats', 'nats://me:secret@127.0.0.1:1');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^almanac: cannot use NATS at nats:\/\/\*\*\*@127\.0\.0\.1:1: .*refused/i);
    expect(stderr).not.toContain('    at ');
  });
});

it('job diagram needs nobody', async () => {
  const { code, stdout } = await home.run('job', 'diagram', 'vault-sync');
  expect(code).toBe(0);
  expect(parseDiagram(stdout).states.get('s_scanning')?.text).toEqual(['scanning', 'does scanVault']);
  expect(await home.run('job', 'diagram', 'nightly-ghost')).toEqual({
    code: 3,
    stdout: '',
    stderr: 'almanac: there is no job type nightly-ghost; known are: vault-sync, nightly\n',
  });
});

it('job list needs nobody', async () => {
  const { code, stdout } = await home.run('job', 'list', '-o', 'json');
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toContainEqual(
    expect.objectContaining({ id: 'vault-sync', cron: '0 3 * * *', lanes: { normal: 1 }, rate: null }),
  );
  expect((await home.run('job', 'list')).stdout).toMatch(/^JOB TYPE +CRON +LANES +RATE +SUMMARY\nvault-sync .* normal 1 +- /);
});
