/** What strangers and accidents put before the program: it goes on, keeps everything that it cannot use, and says why. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, symlinkSync, truncateSync } from 'node:fs';
import { connect as connectSocket } from 'node:net';
import { join } from 'node:path';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, headers, type NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commands } from '../../streams/commands.stream.ts';
import { deadLetters } from '../../streams/dead-letters.stream.ts';
import { type Installation, installation, type Running } from '../support/almanac-process.ts';
import { commandsLeft } from '../support/commands-left.ts';
import { graphFile } from '../support/graph-file.ts';
import { useNatsServer } from '../support/nats-server.ts';
import { utterance } from '../support/vault-sync-fixture.ts';

const START = 'cmd.vault-sync.start.normal';

describe('commands from strangers', () => {
  const server = useNatsServer();
  let home: Installation;
  let instance: Running;
  let connection: NatsConnection;
  beforeAll(async () => {
    home = await installation({ NATS_URL: server.url, ENABLE_MONITORING: 'false' });
    instance = await home.start('--no-first-sync');
    connection = await connect({ servers: server.url });
  });
  afterAll(async () => {
    await connection?.close();
    await home?.dispose();
  });

  /** The dead letter that comes next. */
  async function buried(publish: () => unknown) {
    const subscription = connection.subscribe('dlq.>', { max: 1 });
    await connection.flush();
    await publish();
    for await (const letter of subscription)
      return {
        subject: letter.subject,
        body: Buffer.from(letter.data),
        code: letter.headers!.get('Almanac-Reason-Code'),
        reason: letter.headers!.get('Almanac-Reason'),
        origin: letter.headers!.get('Almanac-Origin-Subject'),
        header: (name: string) => letter.headers!.get(name),
      };
    throw new Error('the subscription ended');
  }
  const sent = (subject: string, body: string | Uint8Array) => buried(() => connection.publish(subject, body));

  async function expectStillWorking() {
    const { code, stdout } = await home.run('run', 'start', 'vault-sync', '--wait', '-o', 'json');
    expect({ code, ...JSON.parse(stdout) }).toMatchObject({ code: 0, outcome: 'succeeded' });
    expect(await commandsLeft(connection)).toEqual({ stored: 0, unacknowledged: 0 });
  }

  it.each([
    ['broken JSON', '{"key":', 'COMMAND_NOT_JSON', /not JSON/],
    ['bytes that are no UTF-8', Uint8Array.of(0x7b, 0xff, 0x7d), 'COMMAND_NOT_UTF8', /not UTF-8/],
    ['JSON that is no object', '[]', 'COMMAND_INVALID', /expected object/],
    ['a field that nobody knows', '{"kay":"x"}', 'COMMAND_INVALID', /"kay"/],
    ['a prototype for a field', '{"__proto__":{"key":"x"}}', 'COMMAND_INVALID', /__proto__/],
    ['a key with dots', '{"key":"a.b"}', 'COMMAND_INVALID', /lower-case letters/],
    ['a key of wildcards', '{"key":">"}', 'COMMAND_INVALID', /lower-case letters/],
    ['a key that climbs', '{"key":"../../etc/passwd"}', 'COMMAND_INVALID', /lower-case letters/],
    ['a key without end', JSON.stringify({ key: 'k'.repeat(129) }), 'COMMAND_INVALID', /at most 128/],
    ['a key that is a number', '{"key":7}', 'COMMAND_INVALID', /expected string/],
    ['input of another job', '{"input":{"tiers":["all"]}}', 'INPUT_INVALID', /tiers\[0\]/],
    ['input as deep as it fits', `{"input":{"tiers":${'['.repeat(20_000)}${']'.repeat(20_000)}}}`, 'INPUT_INVALID', /tiers/],
    ['an actor with too much to say', JSON.stringify({ actor: { who: 'x', why: 'y'.repeat(1_025) } }), 'COMMAND_INVALID', /why/],
    ['more than a command may hold', Buffer.alloc(commands.max_msg_size - 100, 'x'), 'COMMAND_TOO_LARGE', /at most 49152/],
  ])('%s becomes a dead letter, whole and with the reason', async (_, body, code, reason) => {
    const letter = await sent(START, body);
    expect(letter).toMatchObject({ subject: 'dlq.command.vault-sync', code, reason: expect.stringMatching(reason), origin: START });
    expect(letter.body.equals(Buffer.from(body as string))).toBe(true);
  });

  it('commands where nobody listens become dead letters too', async () => {
    const filedUnder = {
      'cmd.no-such-job.start.normal': ['dlq.command.no-such-job', 'JOB_TYPE_UNKNOWN'],
      'cmd.vault-sync.start.sideways': ['dlq.command.unknown', 'COMMAND_SUBJECT_UNKNOWN'],
      'cmd.vault-sync': ['dlq.command.unknown', 'COMMAND_SUBJECT_UNKNOWN'],
      'cmd.vault-sync.start.normal.now': ['dlq.command.unknown', 'COMMAND_SUBJECT_UNKNOWN'],
      'cmd.VAULT.start.normal': ['dlq.command.unknown', 'COMMAND_SUBJECT_UNKNOWN'],
      'cmd.größe.start.normal': ['dlq.command.unknown', 'COMMAND_SUBJECT_UNKNOWN'],
      'cmd.__proto__.start.normal': ['dlq.command.unknown', 'COMMAND_SUBJECT_UNKNOWN'],
    };
    const subjects = Object.keys(filedUnder);
    const subscription = connection.subscribe('dlq.>', { max: subjects.length });
    for (const subject of subjects) connection.publish(subject, '{}');
    const seen: Record<string, unknown> = {};
    for await (const { subject, headers: said } of subscription)
      seen[said!.get('Almanac-Origin-Subject')] = [subject, said!.get('Almanac-Reason-Code')];
    expect(seen).toEqual(filedUnder);
  });

  it('headers of any kind arrive in the dead letter, except those that would speak to its stream', async () => {
    const odd = headers();
    odd.append('trace-colour', 'größe ✓');
    odd.append('Nats-Msg-Id', 'mine');
    odd.append('Almanac-Reason', 'forged');
    const letter = await buried(() => connection.publish('cmd.odd.start.normal', '{}', { headers: odd }));
    expect(letter.header('trace-colour')).toBe('größe ✓');
    expect(letter.header('Almanac-Origin-Nats-Msg-Id')).toBe('mine');
    expect(letter.reason).not.toContain('forged');
  });

  it('headers that no client library would send do no harm', async () => {
    const raw = ['NATS/1.0', 'With Space: 1', 'Größe: 2', 'no colon', ': no name', 'tab\tinside: 3', '', ''].join('\r\n');
    const letter = await buried(() => sendRaw(server.port, START, raw, '{'));
    expect(letter).toMatchObject({ code: 'COMMAND_NOT_JSON' });
    await expectStillWorking();
  });

  it('an answer may be asked for at an inbox and nowhere else: the interface of the server is none', async () => {
    const letters = async () => (await (await jetstreamManager(connection)).streams.info(deadLetters.name)).state.messages;
    const before = await letters();
    for (const subject of [`$JS.API.STREAM.PURGE.${deadLetters.name}`, 'evt.run.vault-sync.forged', '_INBOX.>']) {
      const hostile = headers();
      hostile.set('Almanac-Reply-To', subject);
      await buried(() => connection.publish(START, '{', { headers: hostile }));
    }
    await expectStillWorking();
    expect(await letters()).toBe(before + 3);
  });

  it('a message larger than a command may be is refused by the stream, and the sender is told', async () => {
    const body = Buffer.alloc(commands.max_msg_size + 1, 'x');
    await expect(jetstream(connection).publish(START, body)).rejects.toThrow(/message size exceeds maximum/);
  });

  it('after all that nothing is left over, everything is in the log, and the program works', async () => {
    await expectStillWorking();
    expect(JSON.parse((await home.run('replay', '--verify', '-o', 'json')).stdout).problems).toEqual([]);
    const { state } = await (await jetstreamManager(connection)).streams.info(deadLetters.name);
    expect(state.messages).toBe(26);
    expect(await instance.kill('SIGTERM')).toMatchObject({ code: 0, stderr: expect.not.stringContaining('    at ') });
  });
});

it('a vault full of surprises is synced as far as it can be, and every surprise is in the report', async () => {
  await using home = await installation({ ENABLE_MONITORING: 'false' });
  const { folder } = home;
  folder.write('outside/secret.md', utterance('blk_secret', 'Not of this vault.'));
  folder.write('vault/conversations/good.md', utterance('blk_good', 'Ines: fine.'));
  folder.write('vault/conversations/latin-1.md', Buffer.from('Größe\n<!-- aclarai:id=blk_latin ver=1 -->', 'latin1'));
  folder.write('vault/conversations/zeros.md', Buffer.alloc(4_096));
  folder.write('vault/conversations/huge.md', '');
  truncateSync(join(folder.path, 'vault/conversations/huge.md'), 40 * 1024 * 1024);
  const inVault = (name: string) => join(folder.path, 'vault/conversations', name);
  mkdirSync(inVault('folder.md'));
  symlinkSync('../../outside/secret.md', inVault('leaves.md'));
  symlinkSync('../../outside', inVault('leaving-folder'));
  symlinkSync('nothing.md', inVault('dangling.md'));
  symlinkSync('circle.md', inVault('circle.md'));
  symlinkSync('..', inVault('around'));
  execFileSync('mkfifo', [inVault('pipe.md')]);

  await home.start('--vault', join(folder.path, 'vault'), '--no-first-sync');
  const { code, stdout } = await home.run('run', 'start', 'vault-sync', '--wait', '-o', 'json');
  expect(code).toBe(0);
  const { outcome, output } = JSON.parse(stdout);
  expect({ outcome, new: output.blocks_new, errors: output.errors }).toEqual({ outcome: 'succeeded', new: 1, errors: 8 });
  const findings = output.problems.listed.map(
    ({ kind, file }: { kind: string; file: string }) => `${kind} ${file.replace('conversations/', '')}`,
  );
  expect(findings.sort()).toEqual([
    'linked-folder around',
    'not-a-file folder.md',
    'not-a-file pipe.md',
    'not-utf-8 latin-1.md',
    'outside-vault leaves.md',
    'outside-vault leaving-folder',
    'too-large huge.md',
    'unreadable circle.md',
    'vanished dangling.md',
  ]);
  expect(graphFile(home.dataDir).contents()).not.toContain('blk_secret');
});

/** Past the client library, which would refuse. */
async function sendRaw(port: number, subject: string, header: string, body: string): Promise<void> {
  const socket = connectSocket(port, '127.0.0.1');
  await once(socket, 'data'); // INFO
  const [headerBytes, bytes] = [Buffer.byteLength(header), Buffer.byteLength(header + body)];
  socket.write(`CONNECT {"verbose":false,"headers":true}\r\nHPUB ${subject} ${headerBytes} ${bytes}\r\n${header}${body}\r\nPING\r\n`);
  await once(socket, 'data'); // PONG
  socket.end();
}
