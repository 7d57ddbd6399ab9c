/** A long vault-sync, and people who want something of it: from the command line, from plain NATS, by signals of the system. */
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Ended, type Installation, installation, isAlive, type Running } from '../support/almanac-process.ts';
import { generateVault } from '../support/generate-vault.ts';
import { type GraphFile, graphFile } from '../support/graph-file.ts';
import { useNatsServer } from '../support/nats-server.ts';

vi.setConfig({ testTimeout: 90_000 }); // many processes of the program, one after the other
const server = useNatsServer();
/** Lasts longer than a process takes its time to end. */
const VAULT = { files: 4_000, blocksPerFile: 5, seed: 'run-control' };
const BLOCKS = VAULT.files * VAULT.blocksPerFile;
let home: Installation;
let graph: GraphFile;
let plain: NatsConnection;
let processes: Running[] = [];

beforeAll(async () => {
  home = await installation({ NATS_URL: server.url, ENABLE_MONITORING: 'false' });
  generateVault(`${home.folder.path}/vault`, VAULT);
  graph = graphFile(home.dataDir);
  await several(1);
  plain = await connect({ servers: server.url });
});
afterAll(async () => {
  graph?.release();
  await plain?.close();
  await home?.dispose();
});
beforeEach(() => graph.empty());
afterEach(() => graph.release());

/** So many processes are there, at least. */
async function several(count: number): Promise<void> {
  processes = processes.filter(({ pid }) => isAlive(pid));
  while (processes.length < count) processes.push(await home.start('--vault', `${home.folder.path}/vault`, '--no-first-sync'));
}
const run = (...args: string[]) => home.run('run', ...args);
const parsed = ({ code, stdout, stderr }: Ended) => {
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
};

interface Seen {
  readonly type: string;
  readonly source: string;
  readonly data: { readonly to: string; readonly outcome?: string; readonly actor?: object };
}
/** Resolves to the first event of a run of that kind, from now on. */
function event(id: string, wanted: (seen: Seen) => boolean): Promise<Seen> {
  const { promise, resolve } = Promise.withResolvers<Seen>();
  const subscription = plain.subscribe(`evt.run.vault-sync.${id}`, {
    callback: (_, message) => {
      const seen = message.json<Seen>();
      if (!wanted(seen)) return;
      subscription.unsubscribe();
      resolve(seen);
    },
  });
  return promise;
}
/** A run that writes blocks. Begun by a plain publish, as `nats pub` would. */
async function reconciling(id: string): Promise<Seen> {
  const entered = event(id, ({ data }) => data.to === 'reconciling');
  plain.publish('cmd.vault-sync.start.normal', JSON.stringify({ key: id }));
  return entered;
}

/** As {@link reconciling}, and it stays so until {@link GraphFile.release}: the activity waits for the graph, whatever it is told. */
async function stuck(id: string): Promise<Seen> {
  const seen = await reconciling(id);
  graph.hold();
  return seen;
}

it('is cancelled from the command line, harms nothing, and the next one is fine', async () => {
  await stuck('unwanted');
  expect(parsed(await run('cancel', 'unwanted', '--why', 'wrong vault', '-o', 'json'))).toEqual([
    { id: 'unwanted', jobType: 'vault-sync', state: 'reconciling', outcome: 'cancelled', answered: true },
  ]);
  expect(parsed(await run('describe', 'unwanted', '-o', 'json'))).toMatchObject({ outcome: 'cancelled', waiting: null });
  expect((await run('history', 'unwanted')).stdout).toMatch(/finished +reconciling +reconciling +signal cancel +cli:\S+: wrong vault\n$/);
  expect(await run('cancel', 'unwanted')).toMatchObject({
    code: 4,
    stdout: '',
    stderr: 'almanac: run unwanted of vault-sync has ended as cancelled: cancel comes too late\n',
  });

  graph.release();
  const next = parsed(await run('start', 'vault-sync', '--wait', '-o', 'json'));
  expect(next).toMatchObject({ outcome: 'succeeded', output: { blocks_processed: BLOCKS, errors: 0 } });
  expect(next.output.blocks_new + next.output.blocks_unchanged).toBe(BLOCKS);
  const { blocks } = JSON.parse(graph.contents());
  expect(blocks).toHaveLength(BLOCKS);
  expect(blocks.every(({ version }: { version: number }) => version === 1)).toBe(true);
});

it('is cancelled by a plain message of NATS, which says who and why', async () => {
  await reconciling('plain');
  const finished = event('plain', ({ type }) => type === 'almanac.run.finished');
  plain.publish('cmd.vault-sync.signal.plain', '{"event":{"type":"cancel"},"actor":{"who":"me","why":"lunch"}}');
  expect((await finished).data).toMatchObject({ outcome: 'cancelled', actor: { who: 'me', why: 'lunch' } });
});

it('several at once: one that goes on, one that waits for its turn, one that nobody knows', async () => {
  await stuck('first');
  plain.publish('cmd.vault-sync.start.normal', '{"key":"second"}');
  await plain.flush();
  const { code, stdout, stderr } = await run('cancel', 'first', 'second', 'third', 'first');
  expect(stderr).toBe('almanac: there is no run third; see almanac run list\n');
  expect(stdout).toMatch(
    /^ID +JOB TYPE +STATE +OUTCOME +ANSWERED\nfirst +vault-sync +reconciling +cancelled +yes\nsecond +vault-sync +scanning +cancelled +yes\n$/,
  );
  expect(code).toBe(3);
});

it('listens to nothing but cancel, and says so', async () => {
  await stuck('deaf');
  const refused = (type: string) => `run deaf of vault-sync does not listen to '${type}' in state reconciling; it listens to: cancel`;
  const commands = [['pause'], ['resume'], ['retry'], ['sing', '--payload', '{"song":"any"}']] as const;
  await Promise.all(
    commands.map(async ([type, ...more]) => {
      const answer = more.length === 0 ? await run(type, 'deaf') : await run('signal', 'deaf', type, ...more);
      expect(answer).toMatchObject({ code: 4, stdout: '', stderr: `almanac: ${refused(type)}\n` });
    }),
  );
  expect(await run('cancel', 'deaf', '--why', 'x'.repeat(1_025))).toMatchObject({ code: 2, stderr: expect.stringContaining('actor.why') });
  expect(parsed(await run('signal', 'deaf', 'cancel', '-o', 'ndjson'))).toMatchObject({ outcome: 'cancelled' });
});

it('that was cancelled begins anew in the same history, and one that has succeeded does not', async () => {
  await stuck('reconsidered');
  parsed(await run('cancel', 'reconsidered', '-o', 'json'));
  graph.release();
  const ended = event('reconsidered', ({ data }) => data.outcome !== undefined);
  expect(parsed(await run('retry', 'reconsidered', '--why', 'after all', '-o', 'json'))).toMatchObject([
    { state: 'scanning', answered: true },
  ]);
  expect((await ended).data.outcome).toBe('succeeded');
  expect(await run('retry', 'reconsidered')).toMatchObject({ code: 4, stderr: expect.stringContaining('nothing to try again') });
  expect((await run('history', 'reconsidered')).stdout).toMatch(/restarted +reconciling +scanning +restart command +cli:\S+: after all\n/);
  expect(await home.run('replay', '--verify', '--run', 'reconsidered', '-o', 'json')).toMatchObject({ code: 0 });
});

describe('when its process is told to end', () => {
  const holderOf = ({ source }: Seen) => processes.find(({ pid }) => source.includes(`-${pid}-`))!;
  beforeEach(() => several(2));

  it('it ends within two seconds, and another one goes on within one', async () => {
    const holder = holderOf(await reconciling('moving'));
    const resumed = event('moving', ({ type }) => type === 'almanac.run.resumed').then(() => performance.now());
    const ended = event('moving', ({ data }) => data.outcome !== undefined);
    const toldAt = performance.now();
    expect(await holder.kill('SIGTERM')).toMatchObject({ code: 0, stdout: expect.stringContaining('Stopping') });
    const endedAt = performance.now();
    expect(endedAt - toldAt).toBeLessThan(2_000);
    expect((await resumed) - endedAt).toBeLessThan(1_000);
    expect((await ended).data.outcome).toBe('succeeded');
    expect(JSON.parse(graph.contents()).blocks).toHaveLength(BLOCKS);
  });

  it('though what it does cannot be stopped, it ends before Docker kills it, and another one goes on', async () => {
    const holder = holderOf(await stuck('stuck'));
    const toldAt = performance.now();
    expect(await holder.kill('SIGTERM')).toMatchObject({ code: 0 });
    expect(performance.now() - toldAt).toBeLessThan(9_000);
    const ended = event('stuck', ({ data }) => data.outcome !== undefined);
    graph.release();
    expect((await ended).data.outcome).toBe('succeeded');
    expect(JSON.parse(graph.contents()).blocks).toHaveLength(BLOCKS);
  });

  it('and told again, it ends at once, with 1', async () => {
    const holder = holderOf(await stuck('forced'));
    const toldAt = performance.now();
    await expect
      .poll(
        () => {
          if (isAlive(holder.pid)) process.kill(holder.pid, 'SIGINT');
          return isAlive(holder.pid);
        },
        { interval: 200, timeout: 5_000 },
      )
      .toBe(false);
    expect(await holder.ended).toMatchObject({ code: 1 });
    expect(performance.now() - toldAt).toBeGreaterThan(1_000); // one key press is not two
    expect(parsed(await run('cancel', 'forced', '-o', 'json'))).toMatchObject([{ outcome: 'cancelled' }]);
  });
});

it('with nobody there, a command waits for somebody, and the program says so', async () => {
  await stuck('alone');
  await Promise.all(processes.filter(({ pid }) => isAlive(pid)).map((each) => each.kill('SIGKILL')));
  const { code, stdout, stderr } = await run('cancel', 'alone', '--timeout', '0.2');
  expect({ code, stdout }).toEqual({ code: 1, stdout: expect.stringMatching(/alone +vault-sync +reconciling +- +no\n$/) });
  expect(stderr).toMatch(/^almanac: run alone: no answer within 0\.2 s\. The command is stored, and carried out as soon as/);
  expect(parsed(await run('cancel', 'alone', '--timeout', '0', '-o', 'json'))).toMatchObject([{ outcome: null, answered: false }]);
  const finished = event('alone', ({ type }) => type === 'almanac.run.finished');
  await several(1);
  expect((await finished).data.outcome).toBe('cancelled');
});
