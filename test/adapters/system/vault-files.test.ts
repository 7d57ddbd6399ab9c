import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, symlinkSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MAX_FILE_BYTES, vaultFiles } from '../../../src/adapters/system/vault-files.ts';
import type { Tier, VaultFiles } from '../../../src/knowledge/ports.ts';
import { type TemporaryFolder, temporaryFolder } from '../../support/temporary-folder.ts';

let folder: TemporaryFolder;
let vault: VaultFiles;
const signal = new AbortController().signal;
beforeEach(() => {
  folder = temporaryFolder();
  mkdirSync(join(folder.path, 'vault/conversations'), { recursive: true });
  vault = vaultFiles({ root: join(folder.path, 'vault') });
});
afterEach(() => folder.remove());

const add = (path: string, content: string | Uint8Array = 'text') => folder.write(`vault/${path}`, content);
const link = (target: string, path: string) => symlinkSync(target, join(folder.path, 'vault', path));
const linkedAs = (path: string, target: string) => {
  link(target, path);
  return path;
};
const paths = async (tiers: Tier[] = [1, 2, 3]) => (await vault.list(tiers, signal)).files.map(({ path }) => path);
const read = (path: string) => vault.read({ tier: 1, path: `conversations/${path}` });

describe('listing', () => {
  it('goes tier by tier and sorts by code units, folders included', async () => {
    for (const path of [
      'concepts/A.md',
      'summaries/s.md',
      'conversations/b.md',
      'conversations/B.md',
      'conversations/a/z.md',
      'conversations/a.md',
      'conversations/ä.md',
    ])
      add(path);
    expect(await paths([3, 1, 2])).toEqual([
      'conversations/B.md',
      'conversations/a.md',
      'conversations/a/z.md',
      'conversations/b.md',
      'conversations/ä.md',
      'summaries/s.md',
      'concepts/A.md',
    ]);
  });
  it('takes lower-case .md only, hidden files and folders too', async () => {
    for (const path of ['a.MD', 'a.txt', 'a.md.tmp', '.a.md.tmp', '.b.md', '.hidden/c.md', 'd.md']) add(`conversations/${path}`);
    expect(await paths()).toEqual(['conversations/.b.md', 'conversations/.hidden/c.md', 'conversations/d.md']);
  });
  it('leaves out pages outside of the tiers, and tiers not asked for', async () => {
    for (const path of ['Top Concepts.md', 'other/x.md', 'conversations/a.md', 'concepts/b.md']) add(path);
    expect(await paths([3])).toEqual(['concepts/b.md']);
  });
  it('has other folders for the tiers if told so', async () => {
    add('chat/2026/a.md');
    vault = vaultFiles({ root: join(folder.path, 'vault'), tiers: { 1: 'chat/', 2: 'no such folder', 3: '.' } });
    expect((await vault.list([1, 2], signal)).files).toEqual([{ tier: 1, path: 'chat/2026/a.md' }]);
    expect((await vault.list([3], signal)).files).toEqual([{ tier: 3, path: 'chat/2026/a.md' }]);
  });
  it('does not follow folders that are links, and ends', async () => {
    add('conversations/real/a.md');
    add('archive/old.md');
    link('.', 'conversations/loop');
    link('../archive', 'conversations/archive');
    link('../..', 'conversations/out');
    const { files, linkedFolders, unlisted } = await vault.list([1], signal);
    expect(files.map(({ path }) => path)).toEqual(['conversations/real/a.md']);
    expect(linkedFolders.map(({ file }) => file).sort()).toEqual(['conversations/archive', 'conversations/loop']);
    expect(unlisted).toMatchObject([{ kind: 'outside-vault', file: 'conversations/out' }]);
  });
  it('says that there is no vault, and which setting names it', async () => {
    rmSync(join(folder.path, 'vault'), { recursive: true });
    const expected = {
      code: 'VAULT_NOT_FOUND',
      retryable: false,
      path: join(folder.path, 'vault'),
      message: expect.stringContaining('VAULT_PATH'),
    };
    await expect(vault.list([1], signal)).rejects.toMatchObject(expected);
    await expect(vault.names(signal)).rejects.toMatchObject(expected);
  });
  it.each(['a file', 'nothing'])('says that tier 1 is %s', async (what) => {
    rmSync(join(folder.path, 'vault/conversations'), { recursive: true });
    add('summaries/a.md');
    if (what === 'a file') add('conversations');
    await expect(vault.list([1, 2], signal)).rejects.toMatchObject({
      code: 'VAULT_NOT_FOUND',
      message: expect.stringContaining('conversations'),
    });
    expect(await paths([2])).toEqual(['summaries/a.md']);
  });
  it('stops when told to', async () => {
    await expect(vault.list([1], AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
  });
  it('names every page and attachment outside of hidden folders', async () => {
    for (const path of ['README.md', 'media/a.png', '.obsidian/app.json', 'conversations/b.md']) add(path);
    expect((await vault.names(signal)).toSorted()).toEqual(['README.md', 'conversations/b.md', 'media/a.png']);
  });
});

describe('reading', () => {
  it('decodes', async () => {
    add('conversations/a.md', '\ufeffa\r\nb');
    expect(await read('a.md')).toBe('\ufeffa\nb');
    add('conversations/empty.md', '');
    expect(await read('empty.md')).toBe('');
  });
  it('follows a link to a file inside the vault', async () => {
    add('archive/old.md', 'old');
    link('../archive/old.md', 'conversations/old.md');
    expect(await paths()).toEqual(['conversations/old.md']);
    expect(await read('old.md')).toBe('old');
  });
  const x = 'conversations/x.md';
  it.each([
    ['outside-vault', 'a link that leaves the vault', () => link(folder.write('secret.md', 'secret'), x)],
    ['outside-vault', 'a link to a link that does', () => link(`../${linkedAs('hop', folder.write('secret.md', 'secret'))}`, x)],
    ['outside-vault', 'a link to a neighbour whose name begins like ours', () => link(folder.write('vault2/secret.md', 'secret'), x)],
    ['vanished', 'a link to nothing', () => link('nowhere.md', x)],
    ['unreadable', 'a link to itself', () => link('x.md', x)],
    ['vanished', 'a file that is gone', () => {}],
    ['not-a-file', 'a folder', () => add(`${x}/inside.md`)],
    ['not-a-file', 'a link to a folder', () => link('..', x)],
    ['not-a-file', 'a pipe that nobody writes to', () => execFileSync('mkfifo', [join(folder.path, 'vault', x)])],
    ['not-utf-8', 'Latin-1', () => add(x, Buffer.from('Zo\xeb', 'latin1'))],
    ['too-large', 'a file of more than the limit', () => truncateSync(add(x, ''), MAX_FILE_BYTES + 1)],
  ] as const)('says %s of %s', async (problem, _, make) => {
    make();
    await expect(read('x.md')).rejects.toMatchObject({ code: 'VAULT_FILE_UNREADABLE', problem });
  });
  it('locates a file as the services write it', () => {
    expect(vault.locate({ tier: 1, path: 'conversations/a.md' })).toBe(join(folder.path, 'vault/conversations/a.md'));
  });
});
