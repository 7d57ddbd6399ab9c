import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { PauseFile } from '../../../src/adapters/system/pause-file.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const NAME = '.aclarai_pause';
/** What an operator may have to wait. */
const NOTICED_WITHIN = { timeout: 2_000, interval: 10 };

function vault({ automationPause = false, below = '' } = {}) {
  const folder = temporaryFolder();
  const root = join(folder.path, below);
  const pause = new PauseFile({ vaultRoot: root, automationPause });
  onTestFinished(() => {
    pause.close();
    folder.remove();
  });
  const path = join(root, NAME);
  const heard: string[] = [];
  return {
    root,
    path,
    pause,
    /** What the listener was told, in order. */
    heard,
    listen: () => pause.onChange((now) => heard.push(now === undefined ? 'resumed' : 'paused')),
    put: () => folder.write(join(below, NAME), ''),
    remove: () => rmSync(path),
  };
}

describe('automation is paused', () => {
  it('while the file is in the root of the vault, and by that file', async () => {
    const { pause, path, put, remove } = vault();
    expect(await pause.isPaused()).toBeUndefined();
    put();
    expect(await pause.isPaused()).toEqual({ by: `the file ${path}: remove it to resume` });
    remove();
    expect(await pause.isPaused()).toBeUndefined();
  });

  it('by a folder of that name', async () => {
    const { pause, path } = vault();
    mkdirSync(path);
    expect(await pause.isPaused()).toEqual({ by: `the folder ${path}: remove it to resume` });
  });

  it('by a link of that name, even to nothing', async () => {
    const { pause, path } = vault();
    symlinkSync('nothing', path);
    expect((await pause.isPaused())?.by).toContain(path);
  });

  it('by AUTOMATION_PAUSE, whatever the vault says', async () => {
    const { pause, put, remove, listen, heard } = vault({ automationPause: true });
    expect((await listen())?.by).toContain('AUTOMATION_PAUSE=true');
    put();
    remove();
    expect((await pause.isPaused())?.by).toContain('AUTOMATION_PAUSE=true');
    expect(heard).toEqual([]);
  });

  it('when the vault cannot be looked at, for there may be a pause in it', async () => {
    const { pause, root } = vault({ below: 'loop' });
    symlinkSync(root, root);
    expect((await pause.isPaused())?.by).toMatch(/^doubt, because .* cannot be looked at \(ELOOP\): let the user/);
  });

  it('not by a file of that name deeper in the vault, nor where there is no vault', async () => {
    const { pause, root } = vault({ below: 'vault' });
    expect(await pause.isPaused()).toBeUndefined();
    mkdirSync(join(root, 'concepts', NAME), { recursive: true });
    expect(await pause.isPaused()).toBeUndefined();
  });
});

describe('whoever listens for a change', () => {
  it('hears of pause and resume', async () => {
    const { listen, heard, put, remove } = vault();
    expect(await listen()).toBeUndefined();
    put();
    await vi.waitFor(() => expect(heard).toEqual(['paused']), NOTICED_WITHIN);
    remove();
    await vi.waitFor(() => expect(heard).toEqual(['paused', 'resumed']), NOTICED_WITHIN);
  });

  it('is told first what holds, and then only what changes', async () => {
    const { listen, heard, put, remove, path } = vault();
    put();
    expect((await listen())?.by).toContain(path);
    remove();
    await vi.waitFor(() => expect(heard).toEqual(['resumed']), NOTICED_WITHIN);
  });

  it('hears all the same as all others', async () => {
    const { pause, listen, heard, put } = vault();
    const other: (string | undefined)[] = [];
    await Promise.all([listen(), pause.onChange((now) => other.push(now?.by))]);
    put();
    await vi.waitFor(() => expect([heard, other]).toEqual([['paused'], [expect.stringContaining(NAME)]]), NOTICED_WITHIN);
  });

  it('never hears the same twice, and in the end what holds, however fast the file comes and goes', async () => {
    const { listen, heard, put, remove } = vault();
    await listen();
    for (let round = 0; round < 200; round += 1) {
      put();
      remove();
      if (round % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    put();
    await vi.waitFor(() => expect(heard.at(-1)).toBe('paused'), NOTICED_WITHIN);
    expect(heard).toEqual(heard.map((_, index) => (index % 2 === 0 ? 'paused' : 'resumed')));
  });

  it('hears of a pause in a vault that was not there yet, and of its end when the vault goes', async () => {
    const { listen, heard, put, root } = vault({ below: 'mounted/later' });
    await listen();
    put();
    await vi.waitFor(() => expect(heard).toEqual(['paused']), NOTICED_WITHIN);
    rmSync(root, { recursive: true });
    await vi.waitFor(() => expect(heard).toEqual(['paused', 'resumed']), NOTICED_WITHIN);
  });

  it('hears of a pause in a folder that took the place of the vault', async () => {
    const { listen, heard, put, root } = vault({ below: 'vault' });
    mkdirSync(root);
    await listen();
    renameSync(root, `${root}-old`);
    put();
    await vi.waitFor(() => expect(heard).toEqual(['paused']), NOTICED_WITHIN);
  });

  it('hears nothing after close, and leaves no watch behind', async () => {
    const before = watches();
    const others = Array.from({ length: 20 }, () => vault());
    for (const { listen } of others) await listen();
    expect(watches()).toBe(before + 20);
    for (const { pause } of others) pause.close();
    await vi.waitFor(() => expect(watches()).toBe(before));
    const { listen, put, heard } = vault();
    await listen();
    for (const other of others) other.put();
    put();
    await vi.waitFor(() => expect(heard).toEqual(['paused']), NOTICED_WITHIN);
    expect(others.flatMap((other) => other.heard)).toEqual([]);
  });

  it('does not keep the process alive', async () => {
    const { root } = vault();
    const module = new URL('../../../src/adapters/system/pause-file.ts', import.meta.url).href;
    const code = `import { PauseFile } from ${JSON.stringify(module)};
      await new PauseFile({ vaultRoot: ${JSON.stringify(root)}, automationPause: false }).onChange(() => {});
      process.stdout.write('listening');`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', code], { timeout: 10_000 });
    expect(stdout).toBe('listening');
  });
});

/** Folders that this process watches, by what the kernel says. */
function watches(): number {
  const files = readdirSync('/proc/self/fdinfo').flatMap((file) => {
    try {
      return readFileSync(`/proc/self/fdinfo/${file}`, 'utf8').split('\n');
    } catch {
      return []; // closed since it was listed
    }
  });
  return files.filter((line) => line.startsWith('inotify wd:')).length;
}
