import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sqliteGraph } from '../../../src/adapters/sqlite/graph.ts';
import { blockRecord, graphContract } from '../../knowledge/graph.contract.ts';
import { type TemporaryFolder, temporaryFolder } from '../../support/temporary-folder.ts';

graphContract('SQLite', async () => {
  const folder = temporaryFolder();
  const path = join(folder.path, 'graph.sqlite');
  return {
    open: () => sqliteGraph(path),
    async addBareNode(id) {
      const graph = sqliteGraph(path);
      await graph.readBlocks([]); // creates the tables
      await graph.close();
      withDatabase(path, (db) => db.prepare('INSERT INTO block (id) VALUES (?)').run(id));
    },
    dispose: async () => folder.remove(),
  };
});

function withDatabase(path: string, work: (db: DatabaseSync) => void): void {
  const db = new DatabaseSync(path);
  work(db);
  db.close();
}

describe('the SQLite file', () => {
  let folder: TemporaryFolder;
  let path: string;
  beforeEach(() => {
    folder = temporaryFolder();
    path = join(folder.path, 'data', 'graph.sqlite');
  });
  afterEach(() => folder.remove());

  const problem = async () => {
    const graph = sqliteGraph(path);
    const error = await graph.readBlocks(['x']).then(
      () => undefined,
      (thrown) => thrown,
    );
    await graph.close();
    return error;
  };

  it('is created by the first use, its folder too, and not before', async () => {
    const graph = sqliteGraph(path);
    expect(existsSync(path)).toBe(false);
    await graph.readBlocks([]);
    expect(existsSync(path)).toBe(true);
    await graph.close();
  });
  it('is in WAL mode, so that readers of another process do not wait', async () => {
    const graph = sqliteGraph(path);
    await graph.readBlocks([]);
    withDatabase(path, (db) => expect(db.prepare('PRAGMA journal_mode').get()).toMatchObject({ journal_mode: 'wal' }));
    await graph.close();
  });
  it('is refused when it is no database, with what to do', async () => {
    folder.write('data/graph.sqlite', 'This is not a database. '.repeat(100));
    expect(await problem()).toMatchObject({ code: 'GRAPH_FILE_UNUSABLE', problem: 'corrupt', retryable: false, path });
  });
  it('is refused when it is damaged, and taken again once repaired', async () => {
    const graph = sqliteGraph(path);
    await graph.writeBlocks(Array.from({ length: 500 }, (_, index) => blockRecord({ id: `blk_${index}` })));
    await graph.close();
    withDatabase(path, (db) => db.exec('PRAGMA journal_mode = DELETE'));
    const damaged = new Uint8Array(64 * 1024).fill(0x55);
    damaged.set(Buffer.from('SQLite format 3\0'));
    writeFileSync(path, damaged);
    const again = sqliteGraph(path);
    await expect(again.readBlocks(['blk_1'])).rejects.toMatchObject({ problem: 'corrupt' });
    writeFileSync(path, '');
    expect((await again.readBlocks(['blk_1'])).size).toBe(0);
    await again.close();
  });
  it('is refused when a later Almanac wrote it', async () => {
    folder.write('data/graph.sqlite', '');
    withDatabase(path, (db) => db.exec('PRAGMA user_version = 99'));
    expect(await problem()).toMatchObject({ problem: 'newer', message: expect.stringContaining('99') });
  });
  it('is refused when it belongs to something else', async () => {
    folder.write('data/graph.sqlite', '');
    withDatabase(path, (db) => db.exec('CREATE TABLE bookmarks (url TEXT)'));
    expect(await problem()).toMatchObject({ problem: 'foreign' });
    withDatabase(path, (db) => expect(db.prepare('SELECT name FROM sqlite_schema').all()).toMatchObject([{ name: 'bookmarks' }]));
  });
  it('is refused when its folder cannot be', async () => {
    folder.write('data', 'a file where the folder has to be');
    expect(await problem()).toMatchObject({ problem: 'unwritable' });
  });
  it('is refused when it is a folder', async () => {
    folder.write('data/graph.sqlite/x', '');
    expect(await problem()).toMatchObject({ problem: 'unwritable' });
  });

  it('is waited for while another process writes, without holding up this one', async () => {
    const graph = sqliteGraph(path);
    await graph.writeBlocks([blockRecord()]);
    const other = new DatabaseSync(path);
    other.exec('BEGIN IMMEDIATE');
    let turns = 0;
    const ticking = setInterval(() => {
      if (++turns === 5) other.exec('COMMIT');
    }, 1);
    await graph.writeBlocks([blockRecord({ text: 'later' })]);
    clearInterval(ticking);
    expect(turns).toBeGreaterThanOrEqual(5);
    expect((await graph.readBlocks(['blk_abc123'])).get('blk_abc123')?.text).toBe('later');
    other.close();
    await graph.close();
  });
  it('can be opened for the first time by several processes at once', async () => {
    const script = `
      const { sqliteGraph } = await import(${JSON.stringify(new URL('../../../src/adapters/sqlite/graph.ts', import.meta.url))});
      const graph = sqliteGraph(process.argv[1]);
      await graph.writeBlocks([{ id: process.argv[2], text: 't', hash: 'h', version: 1, lastUpdated: 1, needsReprocessing: true, sourceFile: 'f' }]);
      await graph.close();`;
    const ids = ['a', 'b', 'c', 'd'];
    const children = ids.map((id) => spawn(process.execPath, ['--input-type=module', '-e', script, path, id], { stdio: 'inherit' }));
    const exits = await Promise.all(children.map((child) => once(child, 'exit')));
    expect(exits.map(([code]) => code)).toEqual([0, 0, 0, 0]);
    const graph = sqliteGraph(path);
    expect((await graph.readBlocks(ids)).size).toBe(4);
    await graph.close();
  });
});
