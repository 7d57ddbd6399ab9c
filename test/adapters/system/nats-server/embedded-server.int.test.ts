import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { describe, expect, it, vi } from 'vitest';
import { openEmbeddedServer } from '../../../../src/adapters/system/nats-server/embedded-server.ts';
import { endProcess } from '../../../../src/adapters/system/nats-server/processes.ts';
import { discoverServer } from '../../../../src/adapters/system/nats-server/server-record.ts';
import { freePort } from '../../../support/free-port.ts';
import { testBinary } from '../../../support/nats-binaries.ts';
import { dataFolder, isAlive, startApplication, temporaryFolder } from './support.ts';

const open = (dataDir: string, more: Partial<Parameters<typeof openEmbeddedServer>[0]> = {}) =>
  openEmbeddedServer({ dataDir, env: process.env, preferredPort: 0, ...more });

describe.each(['newest', 'debian'] as const)('with the %s server', (which) => {
  const env = async () => ({ ...process.env, NATS_SERVER: (await testBinary(which)).path });

  it('starts on loopback, stores in the data folder, and stops when the last user closes', async () => {
    const dataDir = await dataFolder();
    const preferredPort = await freePort();
    const server = await open(dataDir, { env: await env(), preferredPort });
    expect(server).toMatchObject({ owned: true, url: `nats://127.0.0.1:${preferredPort}` });
    expect(await discoverServer(dataDir)).toMatchObject({ url: server.url, pid: server.pid });
    const nc = await connect({ servers: server.url });
    await (await jetstreamManager(nc)).streams.add({ name: 'HERE', subjects: ['here'] });
    await nc.close();
    expect(await readdir(join(dataDir, 'nats/jetstream/$G/streams'))).toEqual(['HERE']);

    await server.close();
    await server.close();
    expect(isAlive(server.pid)).toBe(false);
    expect(await discoverServer(dataDir)).toBeUndefined();
  });
});

describe('several users of one data folder', () => {
  it('share one server, and only the last to close stops it, whoever started it', async () => {
    const dataDir = await dataFolder();
    const first = await startApplication(dataDir);
    const second = await open(dataDir);
    expect([first.opened.owned, second.owned, second.pid]).toEqual([true, false, first.opened.pid]);
    await first.close();
    expect(isAlive(second.pid)).toBe(true);
    await second.close();
    expect(isAlive(second.pid)).toBe(false);
  });

  it('who start at the same moment get one server', async () => {
    const dataDir = await dataFolder();
    const applications = await Promise.all([startApplication(dataDir), startApplication(dataDir), startApplication(dataDir)]);
    expect(new Set(applications.map(({ opened }) => opened.pid)).size).toBe(1);
    expect(applications.filter(({ opened }) => opened.owned)).toHaveLength(1);
    await Promise.all(applications.map((application) => application.close()));
    expect(isAlive(applications[0].opened.pid)).toBe(false);
  });

  it('within one process count as several', async () => {
    const dataDir = await dataFolder();
    const [one, two] = await Promise.all([open(dataDir), open(dataDir)]);
    await one.close();
    expect(await discoverServer(dataDir)).toMatchObject({ pid: two.pid });
    await two.close();
    expect(isAlive(two.pid)).toBe(false);
  });
});

describe('after the application was killed', () => {
  it('the server goes on with what was published; the next start adopts it and its close stops it', async () => {
    const dataDir = await dataFolder();
    const killed = await startApplication(dataDir);
    const nc = await connect({ servers: killed.opened.url });
    await (await jetstreamManager(nc)).streams.add({ name: 'KEPT', subjects: ['kept'] });
    await jetstream(nc).publish('kept', 'one');
    await killed.crash();
    await jetstream(nc).publish('kept', 'two');
    expect((await (await jetstreamManager(nc)).streams.info('KEPT')).state.messages).toBe(2);
    await nc.close();

    const next = await open(dataDir);
    expect(next).toMatchObject({ owned: false, pid: killed.opened.pid });
    await next.close();
    expect(isAlive(next.pid)).toBe(false);
  });

  it('with Ctrl-C, the signal goes to its whole process group but not to the server', async () => {
    const dataDir = await dataFolder();
    const { opened, interrupt } = await startApplication(dataDir);
    await interrupt();
    expect(await discoverServer(dataDir)).toMatchObject({ pid: opened.pid });
  });

  it.each(['removed', 'spoilt', 'names another process'])('a running server is found again when its record is %s', async (what) => {
    const dataDir = await dataFolder();
    const killed = await startApplication(dataDir);
    await killed.crash();
    const record = join(dataDir, 'nats/server.json');
    if (what === 'removed') await rm(record);
    else await writeFile(record, what === 'spoilt' ? '{"url":' : JSON.stringify({ ...killed.opened, pid: process.pid }));
    expect(await discoverServer(dataDir)).toBeUndefined();

    const next = await open(dataDir);
    expect(next).toMatchObject({ owned: false, pid: killed.opened.pid, url: killed.opened.url });
    await next.close();
  });
});

describe('after the server was killed', () => {
  it('its record counts as none, and the next start makes a new server', async () => {
    const dataDir = await dataFolder();
    const killed = await startApplication(dataDir);
    await killed.crash();
    await endProcess(killed.opened.pid, 0);
    expect(await discoverServer(dataDir)).toBeUndefined();
    const next = await open(dataDir);
    expect(next.owned).toBe(true);
    expect(next.pid).not.toBe(killed.opened.pid);
    expect((await readdir(join(dataDir, 'nats'))).filter((name) => name.endsWith('.ports'))).toHaveLength(1);
    await next.close();
  });

  it('its users are told, with the end of the log', async () => {
    const dataDir = await dataFolder();
    const onExit = vi.fn();
    const server = await open(dataDir, { onExit });
    await endProcess(server.pid, 0);
    await vi.waitFor(() => expect(onExit).toHaveBeenCalledWith(expect.stringContaining('Server is ready')), 5_000);
    await server.close();
  });
});

it('a record copied along with a data folder does not lead to the server of the original', async () => {
  const [original, copy] = [await dataFolder(), await dataFolder()];
  const server = await open(original);
  const other = await open(copy);
  await other.close();
  await writeFile(join(copy, 'nats/server.json'), await readFile(join(original, 'nats/server.json')));
  await writeFile(join(copy, 'nats/server.pid'), await readFile(join(original, 'nats/server.pid')));
  expect(await discoverServer(copy)).toBeUndefined();
  await server.close();
});

it('a user who died without closing does not keep the server, even when a stranger has the same pid now', async () => {
  const dataDir = await dataFolder();
  const server = await open(dataDir);
  await writeFile(join(dataDir, `nats/users/${process.ppid}.stranger`), 'another birth');
  await server.close();
  expect(isAlive(server.pid)).toBe(false);
});

it('refuses to open the store of a newer server with an older one, which would misread it', async () => {
  const dataDir = await dataFolder();
  const withBinary = async (which: string) => open(dataDir, { env: { ...process.env, NATS_SERVER: (await testBinary(which)).path } });
  await (await withBinary('debian')).close();
  await (await withBinary('newest')).close();
  await expect(withBinary('debian')).rejects.toThrow(/version 2\.9.* is too old.*has written to/);
});

it('takes another port when the preferred one is taken', async () => {
  const squatter = createServer().listen(0, '127.0.0.1');
  await vi.waitFor(() => expect(squatter.listening).toBe(true));
  const { port } = squatter.address() as { port: number };
  const server = await open(await dataFolder(), { preferredPort: port });
  expect(server.url).not.toContain(`:${port}`);
  await server.close();
  squatter.close();
});

it('looks for nothing, and makes nothing, where no server ever ran', async () => {
  const dataDir = await temporaryFolder();
  expect(await discoverServer(dataDir)).toBeUndefined();
  expect(await readdir(dataDir)).toEqual([]);
});

it('a start that fails says why, with the end of the log, and leaves no process', async () => {
  const dataDir = await dataFolder();
  const wrong = await open(dataDir);
  await wrong.close();
  await rm(join(dataDir, 'nats/jetstream'), { recursive: true });
  await writeFile(join(dataDir, 'nats/jetstream'), 'in the way');
  await expect(open(dataDir)).rejects.toMatchObject({
    code: 'NATS_SERVER_START_FAILED',
    message: expect.stringMatching(/exit code 1[\s\S]*storage directory/i),
  });
});
