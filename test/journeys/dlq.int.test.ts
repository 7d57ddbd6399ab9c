/** Dead letters as their operator meets them: on the command line, from the refusal to the run that was wanted. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { natsDeadLetters } from '../../src/adapters/nats/dead-letters.ts';
import { sweepStrays } from '../../src/adapters/nats/strays.ts';
import { systemClock } from '../../src/adapters/system/clock.ts';
import { type Installation, installation } from '../support/almanac-process.ts';
import { lastAudit } from '../support/dead-letter-operations.ts';
import { hostOn, type TestHost } from '../support/host-on.ts';
import { stepsJob } from '../support/jobs.ts';
import { useNatsServer } from '../support/nats-server.ts';
import { Sightings, sightingLog } from '../support/sightings.ts';

const server = useNatsServer();
const known = stepsJob('known', ['only'], () => Promise.resolve(null));
const knownLater = stepsJob('known-later', ['only'], () => Promise.resolve(null));
let home: Installation;
let host: TestHost;
beforeAll(async () => {
  home = await installation({ NATS_URL: server.url });
  host = await hostOn(server, [known]);
});
afterAll(async () => {
  await host?.stop();
  await home?.dispose();
});

const dlq = (...args: string[]) => home.run('dlq', ...args);
async function asked(...args: string[]) {
  const { code, stdout, stderr } = await dlq(...args, '-o', 'json');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
}
const send = (subject: string, body: string | Uint8Array) => host.manager.jetstream().publish(subject, body);
const lettersStored = async () => (await host.manager.streams.info('DEAD_LETTERS')).state.messages;

it('a command of a job type that nobody knew yet is listed, shown, sent again and carried out', async () => {
  expect(await dlq('list')).toMatchObject({ code: 0, stdout: 'ID  STORED  ORIGIN  JOB TYPE  RUN  CODE  ATTEMPTS  REASON\n' });
  await send('cmd.known-later.start.normal', '{"key":"tonight"}');
  await sweepStrays(host.manager, natsDeadLetters(host.publisher), sightingLog(new Sightings()), systemClock);
  const [letter] = await asked('list', '--job', 'known-later', '--origin', 'command', '--code', 'JOB_TYPE_UNKNOWN');
  expect(letter).toMatchObject({
    origin: 'command',
    jobType: 'known-later',
    runId: null,
    attempts: 0,
    storedAt: expect.stringMatching(/Z$/),
  });
  const id = String(letter.id);
  expect(await asked('show', id)).toMatchObject({
    id: letter.id,
    subject: 'cmd.known-later.start.normal',
    headers: { 'Almanac-Reason-Code': 'JOB_TYPE_UNKNOWN' },
    bytes: 17,
    body: '{"key":"tonight"}',
    encoding: 'utf-8',
  });
  expect((await dlq('show', id)).stdout).toMatch(/^body +\{"key":"tonight"\}$/m);

  await using second = await hostOn(server, [knownLater]);
  expect(await dlq('redrive', id, '--why', 'deployed now')).toEqual({ code: 0, stdout: '1 redriven\n', stderr: '' });
  await second.seen.times('ended');
  expect(await second.historyOf(knownLater, 'tonight')).toHaveLength(2);
  expect(await lettersStored()).toBe(0);
  const audit = await lastAudit(host, 'redriven');
  expect(audit?.data).toMatchObject({ letter: letter.id, actor: { who: expect.stringMatching(/^cli:.+/), why: 'deployed now' } });
  expect(await dlq('redrive', id)).toMatchObject({ code: 3, stderr: expect.stringContaining(`there is no dead letter ${id}`) });
});

it('a run that has failed is listed with what it said, and redriven it begins anew', async () => {
  let calls = 0;
  const failsOnce = stepsJob('fails-once', ['only'], async () => {
    if (calls++ === 0) throw new Error('the disk was full');
  });
  await using own = await hostOn(server, [failsOnce]);
  await own.start(failsOnce, 'tonight');
  expect(await own.seen.times('ended')).toEqual(['failed']);
  await expect.poll(lettersStored).toBe(1);
  const [letter] = await asked('list', '--origin', 'run', '--code', 'RUN_FAILED');
  expect(letter).toMatchObject({ jobType: 'fails-once', runId: 'tonight', reason: 'the disk was full', attempts: 1 });
  expect((await dlq('show', String(letter.id))).stdout).toMatch(/^stack +Error: the disk was full +at /m);
  expect(await dlq('redrive', '--all', '--code', 'RUN_FAILED', '--yes', '--why', 'made room')).toMatchObject({
    code: 0,
    stdout: '1 redriven\n',
  });
  expect(await own.seen.times('ended', 2)).toEqual(['failed', 'succeeded']);
  const restarted = (await own.historyOf(failsOnce, 'tonight'))[2];
  expect(restarted?.event).toMatchObject({
    type: 'almanac.run.restarted',
    data: { actor: { who: expect.stringMatching(/^cli:.+/), why: 'made room' } },
  });
  expect(await lettersStored()).toBe(0);
});

it('many are shown as a plan, and dropped with --yes', async () => {
  await Promise.all([send('cmd.known.start.normal', 'not JSON'), send('cmd.known.start.normal', Uint8Array.of(0x7b, 0xff))]);
  await expect.poll(lettersStored).toBe(2);
  for (const plan of [['--all'], ['--all', '--plan'], ['--all', '--job', 'known', '--origin', 'command']]) {
    const { code, stdout } = await dlq('drop', ...plan);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^COUNT +ORIGIN +JOB TYPE +CODE +IDS\n/);
    expect(stdout).toContain('2 would be dropped. Nothing was done; --yes does it.\n');
  }
  expect(await asked('redrive', '--all', '--code', 'COMMAND_NOT_JSON')).toMatchObject({
    done: false,
    would: 1,
    refused: 0,
    groups: [{ count: 1, subject: 'cmd.known.start.normal', refusal: null }],
  });
  const [binary] = await asked('list', '--code', 'COMMAND_NOT_UTF8');
  expect(await asked('show', String(binary.id))).toMatchObject({ body: 'e/8=', encoding: 'base64' });
  expect(await asked('drop', String(binary.id), '--plan')).toMatchObject({ would: 1 });
  expect(await lettersStored()).toBe(2);

  expect(await asked('drop', '--all', '--yes')).toMatchObject({ dropped: 2, gone: 0, refused: 0, left: 0 });
  expect(await lettersStored()).toBe(0);
  expect((await lastAudit(host, 'dropped'))?.data).toMatchObject({ jobType: 'known' });
  expect((await dlq('drop', '--all', '--yes')).stdout).toBe('no letters\n');
});

it('what cannot be sent is refused by name with 4, and left out of a selection with 1', async () => {
  const { seq } = await send('dlq.command.known', 'from nowhere');
  expect(await dlq('redrive', String(seq))).toMatchObject({
    code: 4,
    stdout: '',
    stderr: expect.stringContaining('Almanac did not write it'),
  });
  expect((await dlq('redrive', '--all')).stdout).toContain('0 would be sent again, 1 cannot be.');
  expect(await dlq('redrive', '--all', '--yes')).toMatchObject({
    code: 1,
    stdout: '1 refused\n',
    stderr: expect.stringContaining(`${seq} stays`),
  });
  expect(await lettersStored()).toBe(1);
});

it.each([
  [['redrive'], 2, 'name letters, or use --all'],
  [['drop', '1', '--all'], 2, 'not both'],
  [['drop', '1', '--job', 'known'], 2, 'not both'],
  [['drop', '--all', '--plan', '--yes'], 2, 'cannot be used with'],
  [['redrive', 'all'], 2, 'number that almanac dlq list shows'],
  [['list', '--origin', 'nowhere'], 2, 'command, signal, run'],
  [['show', '999'], 3, 'there is no dead letter 999'],
])('%j ends with %i', async (args, code, text) => {
  expect(await dlq(...args)).toMatchObject({ code, stdout: '', stderr: expect.stringContaining(text) });
});
