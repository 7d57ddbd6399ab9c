/** The program as its operator uses it: one instance that serves, and commands that ask it. */
import { connect, type Msg } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type Ended, type Installation, installation, isAlive, type Running } from '../support/almanac-process.ts';
import { parseDiagram } from '../support/mermaid-grammar.ts';
import { startTestServer } from '../support/nats-server.ts';

const parsed = ({ stdout, code }: Ended) => {
  expect(code).toBe(0);
  return JSON.parse(stdout);
};
const lines = ({ stdout }: Ended): unknown[] =>
  stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
const natsUrl = ({ stdout }: Running) => /NATS +(\S+)/.exec(stdout)![1]!;

describe('an instance on an empty data folder, with the sample vault', () => {
  let home: Installation;
  let instance: Running;
  beforeAll(async () => {
    home = await installation({ ENABLE_MONITORING: 'true' });
    instance = await home.start();
    await instance.says('First vault-sync');
  });
  afterAll(() => home?.dispose());

  it('says where to look, and what the first sync has found', () => {
    expect(instance.stdout).toMatch(/vault +\S+sample-vault \(the sample; set VAULT_PATH or --vault for yours\)/);
    expect(instance.stdout).toMatch(/metrics +http:\/\/127\.0\.0\.1:\d+\/metrics/);
    expect(instance.stdout).toMatch(/schedule +vault-sync: 0 3 \* \* \* UTC, next \d{4}-\d\d-\d\dT03:00:00\.000Z/);
    expect(instance.stdout).toContain(`npx almanac run list --data ${home.dataDir}`);
    expect(instance.stdout).toMatch(
      /First vault-sync: succeeded\. 10 files with 17 blocks: 16 new, 1 updated, 0 unchanged; 1 could not be read/,
    );
  });

  it('serves metrics', async () => {
    const metrics = await fetch(/metrics +(\S+)/.exec(instance.stdout)![1]!).then((answer) => answer.text());
    expect(metrics).toMatch(/almanac_run_duration(_seconds)?_count\{[^}]*outcome="succeeded"[^}]*\} 1/);
  });

  it('writes its log as JSON to stderr', () => {
    const log = instance.stderr
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(log).toContainEqual(expect.objectContaining({ level: 40, runId: 'first-sync', file: expect.stringContaining('not-utf-8') }));
    expect(log).toContainEqual(expect.objectContaining({ level: 30, runId: 'first-sync', files_processed: 10 }));
  });

  it('starts a run and waits for it', async () => {
    const run = parsed(await home.run('run', 'start', 'vault-sync', '--wait', '--why', 'to see', '-o', 'json'));
    expect(run).toMatchObject({
      id: expect.stringMatching(/^[0-9a-z]{26}$/),
      outcome: 'succeeded',
      input: { tiers: [1, 2, 3] },
      output: { files_processed: 10, blocks_new: 0, errors: 1 },
    });
    const [started] = parsed(await home.run('run', 'history', run.id, '-o', 'json'));
    expect(started.data.actor).toEqual({ who: expect.stringMatching(/^cli:.+/), why: 'to see' });
  });

  it('prints the id of a run that nobody waits for', async () => {
    const { code, stdout } = await home.run('run', 'start', 'vault-sync', '--key', 'unattended');
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'id       unattended\njobType  vault-sync\nexisted  false\n' });
  });

  it('a key names one run, however often it is given; with another input it is refused', async () => {
    const start = (...more: string[]) => home.run('run', 'start', 'vault-sync', '--key', 'just-once', '--wait', '-o', 'json', ...more);
    const run = parsed(await start());
    expect(parsed(await start())).toEqual(run);
    expect(parsed(await start('--input', '{"tiers":[1,2,3]}'))).toEqual(run); // what the default stands for
    expect(parsed(await home.run('run', 'start', 'vault-sync', '--key', 'just-once', '-o', 'json'))).toMatchObject({ existed: true });
    const other = await start('--input', '{"tiers":[1]}');
    expect(other).toMatchObject({ code: 4, stdout: '', stderr: expect.stringContaining('with another input: choose another key') });
  });

  it('refuses an unknown job type with 3, and input that it does not take with 2', async () => {
    expect(await home.run('run', 'start', 'nightly-ghost')).toMatchObject({
      code: 3,
      stderr: 'almanac: there is no job type nightly-ghost; known are: vault-sync, nightly\n',
    });
    const { code, stderr } = await home.run('run', 'start', 'vault-sync', '--input', '{"tiers":[9],"colour":"red"}');
    expect(code).toBe(2);
    for (const text of ['--input is not what vault-sync takes:', 'tiers[0]', '"colour"']) expect(stderr).toContain(text);
  });

  it('refuses a lane that the job type does not have with 2, and says which it has', async () => {
    expect(await home.run('run', 'start', 'vault-sync', '--lane', 'high')).toEqual({
      code: 2,
      stdout: '',
      stderr: 'almanac: job type vault-sync has no lane high; it has: normal\n',
    });
    expect((await home.run('run', 'start', 'vault-sync', '--lane', 'normal')).code).toBe(0);
  });

  it('lists runs, newest first, as a table, as JSON and line by line', async () => {
    await home.run('run', 'start', 'vault-sync', '--wait', '--key', 'newest');
    const runs = parsed(await home.run('run', 'list', '-o', 'json'));
    expect(runs[0]).toMatchObject({ id: 'newest', jobType: 'vault-sync', state: 'succeeded', outcome: 'succeeded', input: {} });
    expect(runs.at(-1).id).toBe('first-sync');
    expect(lines(await home.run('run', 'list', '-o', 'ndjson'))).toEqual(runs);
    const table = (await home.run('run', 'list', '--limit', '1')).stdout;
    expect(table).toMatch(
      /^ID {6}JOB TYPE {4}STATE {6}OUTCOME {4}WAITING {2}STARTED {19}ENDED\nnewest {2}vault-sync {2}succeeded {2}succeeded {2}- {8}2\S+Z {2}2\S+Z\n$/,
    );
  });

  it('filters runs by job type, state and outcome', async () => {
    const ids = async (...filter: string[]) =>
      parsed(await home.run('run', 'list', ...filter, '-o', 'json')).map(({ id }: { id: string }) => id);
    expect(await ids('--job', 'vault-sync', '--state', 'succeeded', '--outcome', 'succeeded')).toContain('first-sync');
    expect(await ids('--job', 'other')).toEqual([]);
    expect(await ids('--state', 'reconciling')).toEqual([]);
    expect(await ids('--outcome', 'failed')).toEqual([]);
  });

  it('describes a run for people and for programs, and says 3 of one that is not there', async () => {
    const { stdout } = await home.run('run', 'describe', 'first-sync');
    expect(stdout).toMatch(/^id {9}first-sync\n/);
    expect(stdout).toMatch(/\noutcome {4}succeeded\n/);
    expect(stdout).toMatch(/\n {2}blocks_new +16\n/);
    expect(parsed(await home.run('run', 'describe', 'first-sync', '--job', 'vault-sync', '-o', 'json')).output.blocks_new).toBe(16);
    for (const command of ['describe', 'history', 'diagram']) {
      const missing = await home.run('run', command, 'never-was');
      expect(missing).toMatchObject({ code: 3, stdout: '', stderr: 'almanac: there is no run never-was; see almanac run list\n' });
    }
  });

  it('draws where a run is', async () => {
    const { code, stdout } = await home.run('run', 'diagram', 'first-sync');
    expect(code).toBe(0);
    expect([...parseDiagram(stdout).classes]).toEqual([['active', ['s_succeeded']]]);
  });

  it('tells the history of a run', async () => {
    const history = parsed(await home.run('run', 'history', 'first-sync', '-o', 'json'));
    expect(history.map(({ data }: { data: { to: string } }) => data.to)).toEqual([
      'scanning',
      'reconciling',
      'validatingReferences',
      'reporting',
      'succeeded',
    ]);
    expect((await home.run('run', 'history', 'first-sync')).stdout).toMatch(
      /^TIME +RUN +REV +TYPE +FROM +TO +CAUSE +BY\n2\S+Z +vault-sync\/first-sync +1 +started +- +scanning +start command +almanac: first start of this instance\n2\S+Z +vault-sync\/first-sync +2 +transitioned +scanning +reconciling +scanVault done +-\n/,
    );
  });

  it('replays the log: all of it, one run, one job type, one stretch of time', async () => {
    const all = parsed(await home.run('replay', '-o', 'json'));
    expect(lines(await home.run('replay', '-o', 'ndjson'))).toEqual(all);
    expect((await home.run('replay')).stdout.split('\n')).toHaveLength(all.length + 2);
    const first = parsed(await home.run('replay', '--run', 'first-sync', '-o', 'json'));
    expect(first).toEqual(all.slice(0, 5));
    expect(parsed(await home.run('replay', '--job', 'other', '-o', 'json'))).toEqual([]);
    const after = new Date((Date.parse(first.at(-1).time) + Date.parse(all[5].time)) / 2).toISOString();
    const [since, until] = [
      parsed(await home.run('replay', '--since', after, '-o', 'json')),
      parsed(await home.run('replay', '--until', after, '-o', 'json')),
    ];
    expect([...until, ...since]).toEqual(all);
    expect(until).toEqual(first);
  });

  it('folds the log again and finds it right', async () => {
    const { runs, events, problems } = parsed(await home.run('replay', '--verify', '-o', 'json'));
    expect(problems).toEqual([]);
    expect(events).toBe(5 * runs);
  });

  it('takes commands from any NATS client, and announces what it does as CloudEvents', async () => {
    const connection = await connect({ servers: natsUrl(instance) });
    onTestFinished(() => connection.close());
    const finished = async (body: string, wanted: (runId: string) => boolean) => {
      const subscription = connection.subscribe('evt.>');
      await connection.flush();
      connection.publish('cmd.vault-sync.start.normal', body);
      const seen: Msg[] = [];
      for await (const message of subscription) {
        if (!wanted(message.subject.split('.')[3]!)) continue;
        seen.push(message);
        if (message.json<{ type: string }>().type === 'almanac.run.finished') break;
      }
      return seen;
    };

    const keyed = await finished('{"key":"from-python","actor":{"who":"python"}}', (id) => id === 'from-python');
    expect(keyed.map(({ subject }) => subject)).toEqual(Array(5).fill('evt.run.vault-sync.from-python'));
    expect(keyed[0]!.json()).toMatchObject({
      specversion: '1.0',
      id: expect.any(String),
      source: expect.stringMatching(/^\/almanac\//),
      type: 'almanac.run.started',
      subject: 'vault-sync/from-python',
      datacontenttype: 'application/json',
      traceparent: expect.stringMatching(/^00-/),
      data: { actor: { who: 'python' } },
    });
    const unnamed = await finished('', (id) => id.startsWith('cmd-'));
    expect(unnamed).toHaveLength(5);
  });

  it('with a second process on its data folder it shares the server, and may leave first', async () => {
    const second = await home.start();
    const nats = await home.natsPid();
    expect(natsUrl(second)).toBe(natsUrl(instance));
    expect(await instance.kill('SIGTERM')).toMatchObject({ code: 0, stdout: expect.stringContaining('Stopping') });
    expect(await home.natsPid()).toBe(nats);
    expect(await home.run('run', 'start', 'vault-sync', '--wait')).toMatchObject({ code: 0 });
    expect(await second.kill('SIGINT')).toMatchObject({ code: 0 });
    expect(isAlive(nats!)).toBe(false);
    expect((await home.run('run', 'list')).code).toBe(1);
    instance = await home.start(); // and the next start has it all
    expect(parsed(await home.run('run', 'describe', 'first-sync', '-o', 'json')).outcome).toBe('succeeded');
  });
});

it('two instances on one machine know nothing of each other', async () => {
  await using one = await installation();
  await using other = await installation();
  const [first, second] = await Promise.all([one.start(), other.start()]);
  expect(natsUrl(first)).not.toBe(natsUrl(second));
  expect(await one.run('run', 'start', 'vault-sync', '--wait', '--key', 'mine')).toMatchObject({ code: 0 });
  expect(await other.run('run', 'describe', 'mine')).toMatchObject({ code: 3 });
});

it('a run that fails says why, and ends the waiting command with 1', async () => {
  await using home = await installation({ ENABLE_MONITORING: 'false' });
  const instance = await home.start('--vault', `${home.folder.path}/not-mounted`);
  await instance.says(/First vault-sync: failed\. \S+not-mounted does not exist: set VAULT_PATH/);
  const failed = await home.run('run', 'start', 'vault-sync', '--wait', '-o', 'json');
  expect(failed.code).toBe(1);
  expect(JSON.parse(failed.stdout)).toMatchObject({
    outcome: 'failed',
    output: { error: { name: 'VaultNotFoundError', message: expect.stringContaining('not-mounted does not exist') } },
  });
  const table = await home.run('run', 'start', 'vault-sync', '--wait');
  expect(table).toMatchObject({ code: 1, stdout: expect.stringMatching(/\n {2}error\n {4}name +VaultNotFoundError\n/) });
  expect(await instance.kill('SIGINT')).toMatchObject({ code: 0 });
});

it('one Ctrl-C that arrives twice, from the terminal and from npm, is one: everything ends in order', async () => {
  await using home = await installation({ ENABLE_MONITORING: 'false' });
  const instance = await home.start();
  const nats = (await home.natsPid())!;
  process.kill(instance.pid, 'SIGINT');
  await instance.says('Stopping');
  expect(await instance.kill('SIGINT')).toMatchObject({ code: 0 });
  expect(isAlive(nats)).toBe(false);
});

describe('after kill -9 the data folder', () => {
  it('still leads to the server that goes on, and the next start uses it', async () => {
    await using home = await installation({ ENABLE_MONITORING: 'false' });
    const killed = await home.start();
    await killed.says('First vault-sync');
    await killed.kill('SIGKILL');
    expect(parsed(await home.run('run', 'list', '-o', 'json'))).toHaveLength(1);
    const next = await home.start();
    expect(natsUrl(next)).toBe(natsUrl(killed));
    expect(await next.kill('SIGTERM')).toMatchObject({ code: 0 });
    expect(await home.natsPid()).toBeUndefined();
  });

  it('leads nowhere when the server was killed too, and says so', async () => {
    await using home = await installation({ ENABLE_MONITORING: 'false' });
    const killed = await home.start('--no-first-sync');
    process.kill((await home.natsPid())!, 'SIGKILL');
    await killed.kill('SIGKILL');
    await expect.poll(() => home.natsPid()).toBeUndefined();
    expect(await home.run('run', 'list')).toMatchObject({ code: 1, stderr: expect.stringContaining('no Almanac is running on') });
  });
});

it('a key counts from the moment its command is sent, also while nobody carries it out', async () => {
  await using server = await startTestServer();
  await using home = await installation({ NATS_URL: server.url, ENABLE_MONITORING: 'false' });
  expect(await home.run('run', 'list')).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/no Almanac has ever run on .*almanac start/),
  });
  await (await home.start('--no-first-sync')).kill('SIGTERM');

  const start = (...more: string[]) => home.run('run', 'start', 'vault-sync', '--key', 'early', '-o', 'json', ...more);
  expect(parsed(await start())).toMatchObject({ id: 'early', existed: false });
  expect(parsed(await start('--input', '{"tiers":[1,2,3]}'))).toMatchObject({ id: 'early', existed: true });
  expect(await start('--input', '{"tiers":[1]}')).toMatchObject({ code: 4, stderr: expect.stringContaining('choose another key') });
  expect(await start('--input', '{"tiers":[1]}', '--wait')).toMatchObject({ code: 4 });
  await home.start('--no-first-sync');
  expect(parsed(await start('--wait'))).toMatchObject({ outcome: 'succeeded', input: { tiers: [1, 2, 3] } });
});
