/** What every adapter of the graph port owes. `open` gives a second door to the same store, as another process would have. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { instant } from '../../src/domain/ids.ts';
import { CheckpointConflictError } from '../../src/knowledge/errors.ts';
import type { BlockRecord, Graph } from '../../src/knowledge/ports.ts';

export const blockRecord = (overrides: Partial<BlockRecord> = {}): BlockRecord => ({
  id: 'blk_abc123',
  text: 'Mara: Did the export finish?',
  hash: 'a'.repeat(64),
  version: 1,
  lastUpdated: instant(1_790_000_000_123),
  needsReprocessing: true,
  sourceFile: '/vault/conversations/a.md',
  ...overrides,
});

export interface GraphStore {
  /** Each call a connection of its own. */
  open(): Graph;
  /** As other services do: a node with an id and nothing else. */
  addBareNode(id: string): Promise<void>;
  dispose(): Promise<void>;
}

export function graphContract(name: string, newStore: () => Promise<GraphStore>): void {
  describe(`${name} keeps the promises of the graph port:`, () => {
    let store: GraphStore;
    let graph: Graph;
    const never = instant(0);
    const at = instant(1_790_000_000_000);
    const write = (key: string, expected: number, state: unknown = {}) => ({ key, expected, state, at });

    beforeEach(async () => {
      store = await newStore();
      graph = store.open();
    });
    afterEach(async () => {
      await graph.close();
      await store.dispose();
    });
    const read = async (id: string) => (await graph.readBlocks([id])).get(id);

    it('what was written is read, all properties of it', async () => {
      const block = blockRecord({ text: 'naïve 概念 😀\u0000\u0085\ufeff', version: 2 ** 53 - 1 });
      await graph.writeBlocks([block]);
      expect(await read(block.id)).toEqual(block);
    });
    it('ids without a node are absent, and asking for none is fine', async () => {
      await graph.writeBlocks([blockRecord()]);
      expect([...(await graph.readBlocks(['nobody', 'blk_abc123', 'Blk_abc123'])).keys()]).toEqual(['blk_abc123']);
      expect((await graph.readBlocks([])).size).toBe(0);
    });
    it('ids are compared by their code points', async () => {
      await graph.writeBlocks([blockRecord({ id: 'caf\u00e9' }), blockRecord({ id: 'cafe\u0301' }), blockRecord({ id: 'CAF\u00e9' })]);
      expect((await graph.readBlocks(['caf\u00e9', 'cafe\u0301', 'CAF\u00e9'])).size).toBe(3);
    });
    it('a write replaces everything, also by a lower version', async () => {
      await graph.writeBlocks([blockRecord({ version: 7 })]);
      const lower = blockRecord({ version: 2, text: 'other', hash: 'b'.repeat(64), sourceFile: '/vault/summaries/b.md', lastUpdated: at });
      await graph.writeBlocks([lower]);
      expect(await read(lower.id)).toEqual(lower);
    });
    it('of two writes to one id the later in the list stays', async () => {
      await graph.writeBlocks([blockRecord({ text: 'first' }), blockRecord({ text: 'second' })]);
      expect((await read('blk_abc123'))?.text).toBe('second');
    });
    it('a node without properties is found and can be completed', async () => {
      await store.addBareNode('blk_abc123');
      expect(await read('blk_abc123')).toMatchObject({ id: 'blk_abc123', hash: null, version: null });
      await graph.writeBlocks([blockRecord()]);
      expect(await read('blk_abc123')).toEqual(blockRecord());
    });
    it('a thousand blocks fit into one write', async () => {
      const blocks = Array.from({ length: 1000 }, (_, index) => blockRecord({ id: `blk_${index}` }));
      await graph.writeBlocks(blocks);
      expect((await graph.readBlocks(blocks.map(({ id }) => id))).size).toBe(1000);
    });

    it('a checkpoint starts at 1 and each write adds one', async () => {
      expect(await graph.readCheckpoint('k')).toBeUndefined();
      await graph.writeBlocks([], write('k', 0, { done: 1 }));
      expect(await graph.readCheckpoint('k')).toEqual({ version: 1, state: { done: 1 } });
      await graph.writeBlocks([], write('k', 1, { done: 2 }));
      expect(await graph.readCheckpoint('k')).toEqual({ version: 2, state: { done: 2 } });
    });
    it.each([0, 1, 3])('when the checkpoint is at 2, expecting %i writes nothing, no block either', async (expected) => {
      await graph.writeBlocks([], write('k', 0, 'one'));
      await graph.writeBlocks([], write('k', 1, 'two'));
      await expect(graph.writeBlocks([blockRecord()], write('k', expected, 'stale'))).rejects.toThrow(CheckpointConflictError);
      expect(await graph.readCheckpoint('k')).toEqual({ version: 2, state: 'two' });
      expect(await read('blk_abc123')).toBeUndefined();
    });
    it('a checkpoint that is gone cannot be moved', async () => {
      await expect(graph.writeBlocks([blockRecord()], write('k', 5))).rejects.toThrow(CheckpointConflictError);
      expect(await read('blk_abc123')).toBeUndefined();
    });
    it('after a conflict the next write works', async () => {
      await expect(graph.writeBlocks([], write('k', 5))).rejects.toThrow(CheckpointConflictError);
      await graph.writeBlocks([blockRecord()], write('k', 0));
      expect(await read('blk_abc123')).toBeDefined();
    });
    it('of two holders who saw the same checkpoint, exactly one goes on', async () => {
      const other = store.open();
      await graph.writeBlocks([], write('k', 0));
      const results = await Promise.allSettled([
        graph.writeBlocks([blockRecord({ text: 'mine' })], write('k', 1, 'mine')),
        other.writeBlocks([blockRecord({ text: 'theirs' })], write('k', 1, 'theirs')),
      ]);
      await other.close();
      expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
      const checkpoint = await graph.readCheckpoint('k');
      expect(checkpoint?.version).toBe(2);
      expect((await read('blk_abc123'))?.text).toBe(checkpoint?.state);
    });
    it('clearing forgets what starts with the prefix, taken literally, and may be repeated', async () => {
      for (const key of ['job/run_1/a', 'job/run_1/b', 'job/run_10/a', 'job/runx1/a']) await graph.writeBlocks([], write(key, 0));
      for (const _ of ['once', 'twice']) await graph.clearCheckpoints('job/run_1/', never);
      const left = await Promise.all(['job/run_1/a', 'job/run_1/b', 'job/run_10/a', 'job/runx1/a'].map((key) => graph.readCheckpoint(key)));
      expect(left.map((checkpoint) => checkpoint !== undefined)).toEqual([false, false, true, true]);
    });
    it('clearing also forgets what nobody has touched for long', async () => {
      await graph.writeBlocks([], { ...write('old', 0), at: instant(1000) });
      await graph.writeBlocks([], { ...write('young', 0), at: instant(2000) });
      await graph.clearCheckpoints('none/', instant(2000));
      expect(await graph.readCheckpoint('old')).toBeUndefined();
      expect(await graph.readCheckpoint('young')).toBeDefined();
    });

    it('another connection sees what was written, also after this one has gone', async () => {
      await graph.writeBlocks([blockRecord()], write('k', 0, { done: 1 }));
      await graph.close();
      const other = store.open();
      expect((await other.readBlocks(['blk_abc123'])).get('blk_abc123')).toEqual(blockRecord());
      expect(await other.readCheckpoint('k')).toEqual({ version: 1, state: { done: 1 } });
      await other.close();
    });
    it('closing may be repeated; nothing works afterwards', async () => {
      await graph.close();
      await graph.close();
      await expect(graph.readBlocks([])).rejects.toThrow('closed');
    });
  });
}
