import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { findNatsServer } from '../../../../src/adapters/system/nats-server/find.ts';
import { cacheSource } from '../../../../src/adapters/system/nats-server/sources/cache.ts';
import { fromDebianPackage } from '../../../../src/adapters/system/nats-server/sources/debian-package.ts';
import { fromEnvironment } from '../../../../src/adapters/system/nats-server/sources/environment.ts';
import { goSource } from '../../../../src/adapters/system/nats-server/sources/go-install.ts';
import { pathSource } from '../../../../src/adapters/system/nats-server/sources/path.ts';
import { releaseSource } from '../../../../src/adapters/system/nats-server/sources/release.ts';
import { fakeArchive, fakeServer, script, website } from './fakes.ts';
import { temporaryFolder } from './support.ts';

/** All sources as in production, except that nothing outside the test's own folder is looked at. */
async function lonelyMachine() {
  const home = await temporaryFolder();
  const bin = join(home, 'bin');
  const cacheDir = join(home, 'cache');
  const release = releaseSource({ version: '2.15.0', baseUrl: 'http://127.0.0.1:1', sha256: { amd64: '', arm64: '' } });
  const sources = [fromEnvironment, pathSource([]), cacheSource(), release, goSource(), fromDebianPackage];
  const reports: string[] = [];
  const find = (env: NodeJS.ProcessEnv = {}, some = sources) =>
    findNatsServer({ env: { PATH: bin, ...env }, cacheDir, sources: some, report: (text) => reports.push(text) });
  return { home, bin, cacheDir, reports, find };
}

const cached = (cacheDir: string, label: string) => join(cacheDir, 'nats-server', label, 'nats-server');
/** What installed programs need besides themselves. */
const SYSTEM_PATH = '/usr/bin:/bin';

it('takes the first of NATS_SERVER, PATH and cache that there is', async () => {
  const { home, bin, cacheDir, find } = await lonelyMachine();
  const inCache = fakeServer(cached(cacheDir, '2.14.0'), '2.14.0');
  expect(await find()).toEqual({ path: inCache, version: '2.14.0', source: 'cache' });
  const onPath = fakeServer(join(bin, 'nats-server'), '2.10.27');
  expect(await find()).toEqual({ path: onPath, version: '2.10.27', source: 'PATH' });
  const named = fakeServer(join(home, 'my-server'), '2.9.10');
  expect(await find({ NATS_SERVER: named })).toEqual({ path: named, version: '2.9.10', source: 'NATS_SERVER' });
});

it('passes over a binary on PATH that is too old, and takes the newest of the cache', async () => {
  const { bin, cacheDir, find } = await lonelyMachine();
  fakeServer(join(bin, 'nats-server'), '2.9.9');
  fakeServer(cached(cacheDir, 'debian'), '2.9.10');
  fakeServer(cached(cacheDir, '2.15.0'), '2.15.0');
  expect(await find()).toMatchObject({ version: '2.15.0', source: 'cache' });
});

it.each([
  ['too old', '2.9.9', /version 2\.9\.9 is too old, 2\.9\.10 or newer is needed.*unset it/],
  ['not a server', 'is out', /--version/],
])('stops when NATS_SERVER names something %s, whatever else there is', async (_, version, message) => {
  const { home, bin, find } = await lonelyMachine();
  fakeServer(join(bin, 'nats-server'), '2.15.0');
  const named = version === 'is out' ? script(join(home, 'named'), 'echo hello') : fakeServer(join(home, 'named'), version);
  const failing = expect(find({ NATS_SERVER: named })).rejects;
  await failing.toMatchObject({ code: 'NATS_SERVER_UNUSABLE', message: expect.stringMatching(message) });
});

it('says what it tried, in order, and what to do, when there is nothing', async () => {
  const { bin, find } = await lonelyMachine();
  fakeServer(join(bin, 'nats-server'), '2.8.4');
  const error = await find().catch((cause) => cause);
  expect(error).toMatchObject({ code: 'NATS_SERVER_NOT_FOUND' });
  expect(error.attempts.map(({ source }: { source: string }) => source)).toEqual([
    'NATS_SERVER',
    'PATH',
    'cache',
    'release',
    'go install',
    'Debian package',
  ]);
  expect(error.message).toMatch(/PATH: .*version 2\.8\.4 is too old/);
  expect(error.message).toMatch(/release: http:.*(ECONNREFUSED|bad port)/);
  expect(error.message).toMatch(/go install: go is not there/);
  expect(error.message).toMatch(/Debian package: .*no apt-get/);
  expect(error.message).toMatch(/set NATS_URL .* set NATS_SERVER .* PATH/);
});

it.runIf(process.platform === 'linux')('downloads a release whose checksum is right, and keeps it', async () => {
  const { home, cacheDir, reports, find } = await lonelyMachine();
  const arch = process.arch === 'x64' ? 'amd64' : process.arch;
  const { content, sha256 } = fakeArchive(home, '2.15.0', arch);
  const asked: string[] = [];
  const baseUrl = await website((request, response) => {
    asked.push(request.url!);
    response.end(content);
  });
  const sources = [cacheSource(), releaseSource({ version: '2.15.0', baseUrl, sha256: { [arch]: sha256 } })];
  const found = { path: cached(cacheDir, '2.15.0'), version: '2.15.0' };
  expect(await find({ PATH: SYSTEM_PATH }, sources)).toEqual({ ...found, source: 'release' });
  expect(await find({}, sources)).toEqual({ ...found, source: 'cache' });
  expect(asked).toEqual([`/v2.15.0/nats-server-v2.15.0-linux-${arch}.tar.gz`]);
  expect(reports).toContainEqual(expect.stringMatching(/download/));
});

it.runIf(process.platform === 'linux')('does not unpack an archive with another checksum', async () => {
  const { home, cacheDir, find } = await lonelyMachine();
  const { content } = fakeArchive(home, '2.15.0', 'amd64');
  const baseUrl = await website((_, response) => response.end(content));
  const sha256 = Object.fromEntries(['amd64', 'arm64'].map((arch) => [arch, 'f'.repeat(64)]));
  await expect(find({ PATH: SYSTEM_PATH }, [releaseSource({ version: '2.15.0', baseUrl, sha256 })])).rejects.toThrow(
    /not the pinned f+; it was not unpacked/,
  );
  expect(await readdir(join(cacheDir, 'nats-server'))).toEqual(['install.lock']);
});

it.runIf(process.platform === 'linux')('does not wait long for a website that does not answer', async () => {
  const { find } = await lonelyMachine();
  const baseUrl = await website(() => {});
  const silent = releaseSource({ version: '2.15.0', baseUrl, sha256: { amd64: '', arm64: '' }, answerMs: 50 });
  await expect(find({}, [silent])).rejects.toThrow(/no answer within 0\.05 s/);
});

it('builds with Go once, however many look at the same moment', async () => {
  const { home, bin, cacheDir, reports, find } = await lonelyMachine();
  const builds = join(home, 'builds');
  script(
    join(bin, 'go'),
    'test "$1" = version && exit',
    `echo "$@" >> ${builds}`,
    'printf \'#!/bin/sh\\necho "nats-server: v2.15.2"\\n\' > $GOBIN/nats-server',
  );
  const sources = [cacheSource(), goSource()];
  const found = await Promise.all([1, 2, 3, 4].map(() => find({ PATH: `${bin}:${SYSTEM_PATH}` }, sources)));
  expect(found.map(({ source }) => source).sort()).toEqual(['cache', 'cache', 'cache', 'go install']);
  expect(await readFile(builds, 'utf8')).toBe('install github.com/nats-io/nats-server/v2@v2.15.2\n');
  expect(await readdir(join(cacheDir, 'nats-server'))).toEqual(['2.15.2', 'install.lock']);
  expect(reports).toContain('waiting for another process that is getting NATS Server');
});

it("goes on to Debian's package when Go cannot build", async () => {
  const { home, bin, find, cacheDir } = await lonelyMachine();
  script(join(bin, 'go'), 'test "$1" = version && exit', 'echo "module needs a newer go" >&2; exit 1');
  script(join(bin, 'apt-get'), `test "$1" = --version && exit`, `echo "$1" >> ${home}/apt`, 'touch nats-server_2.9.10_any.deb');
  script(join(bin, 'dpkg'), 'mkdir -p $3/usr/sbin', 'printf \'#!/bin/sh\\necho "nats-server: v2.9.10"\\n\' > $3/usr/sbin/nats-server');
  const found = await find({ PATH: `${bin}:${SYSTEM_PATH}` }, [goSource(), fromDebianPackage]);
  expect(found).toEqual({ path: cached(cacheDir, 'debian'), version: '2.9.10', source: 'Debian package' });
});
