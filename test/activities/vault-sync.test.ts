import { execFileSync } from 'node:child_process';
import { cpSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { blockHash } from '../../src/knowledge/block-hash.ts';
import type { VaultFiles } from '../../src/knowledge/ports.ts';
import { activityContext } from '../support/activity-context.ts';
import { generateVault } from '../support/generate-vault.ts';
import { ALL_TIERS, utterance, VaultSyncFixture } from '../support/vault-sync-fixture.ts';

let fixture: VaultSyncFixture;
beforeEach(() => {
  fixture = new VaultSyncFixture();
});
afterEach(() => fixture.dispose());

const counters = (files: number, blocks: { new?: number; updated?: number; unchanged?: number }, errors = 0, blockErrors = 0) => {
  const { new: created = 0, updated = 0, unchanged = 0 } = blocks;
  return {
    files_processed: files,
    blocks_processed: created + updated + unchanged + blockErrors,
    blocks_new: created,
    blocks_updated: updated,
    blocks_unchanged: unchanged,
    errors,
  };
};
const chat = 'conversations/chat.md';

describe('reconciling', () => {
  it('creates a node with all six properties', async () => {
    fixture.add(chat, utterance('blk_abc123', 'Mara: Did it finish?', 3));
    expect(await fixture.counters()).toEqual(counters(1, { new: 1 }));
    expect(await fixture.block('blk_abc123')).toEqual({
      id: 'blk_abc123',
      text: 'Mara: Did it finish?',
      hash: blockHash('Mara: Did it finish?'),
      version: 3,
      lastUpdated: fixture.now,
      needsReprocessing: true,
      sourceFile: join(fixture.root, chat),
    });
  });
  it('counts new, changed and unchanged blocks, and writes the changed ones only', async () => {
    fixture.add(chat, utterance('blk_same01', 'a') + utterance('blk_edit01', 'b'));
    await fixture.sync();
    fixture.now += 1000;
    fixture.add(chat, utterance('blk_same01', 'a') + utterance('blk_edit01', 'b, edited') + utterance('blk_new001', 'c'));
    expect(await fixture.counters()).toEqual(counters(1, { new: 1, updated: 1, unchanged: 1 }));
    expect(await fixture.block('blk_same01')).toMatchObject({ lastUpdated: fixture.now - 1000 });
    expect(await fixture.block('blk_edit01')).toMatchObject({ text: 'b, edited', lastUpdated: fixture.now, needsReprocessing: true });
  });
  it('finds everything unchanged the second time, whatever the pages hold', async () => {
    const page = fc.array(
      fc.oneof(
        fc.string({ unit: 'grapheme', maxLength: 12 }),
        fc.constantFrom('\n', '\r\n', ' ', '```'),
        fc.nat().map((id) => `<!-- aclarai:id=blk_${id} ver=${id % 7} -->`),
      ),
      { maxLength: 12 },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(page, { minLength: 1, maxLength: 4 }), async (pages) => {
        pages.forEach((fragments, index) => {
          // Unlike ids on each page: duplicated ids overwrite each other in every run.
          const text = fragments.map((fragment, at) => fragment.replace('id=blk_', `id=${index}_${at}_`)).join('');
          fixture.add(`conversations/${index}.md`, text);
        });
        const first = await fixture.counters();
        const second = await fixture.counters();
        expect(second).toEqual({ ...first, blocks_new: 0, blocks_updated: 0, blocks_unchanged: first.blocks_processed });
      }),
      { numRuns: 40 },
    );
  });
  it('takes the vault text whatever the versions say', async () => {
    fixture.add(chat, utterance('blk_abc123', 'old', 9));
    await fixture.sync();
    fixture.add(chat, utterance('blk_abc123', 'typed by hand', 1));
    expect(await fixture.counters()).toEqual(counters(1, { updated: 1 }));
    expect(await fixture.block('blk_abc123')).toMatchObject({ text: 'typed by hand', version: 1 });
  });
  it('does not write a block whose version alone changed', async () => {
    fixture.add(chat, utterance('blk_abc123', 'text', 1));
    await fixture.sync();
    fixture.add(chat, utterance('blk_abc123', 'text', 2));
    expect(await fixture.counters()).toEqual(counters(1, { unchanged: 1 }));
    expect(await fixture.block('blk_abc123')).toMatchObject({ version: 1 });
  });
  it('does not write a file that was only renamed', async () => {
    renameSync(fixture.add('conversations/a.md', utterance('blk_abc123', 'text')), join(fixture.root, chat));
    await fixture.sync();
    expect(await fixture.counters()).toEqual(counters(1, { unchanged: 1 }));
  });
  it('completes nodes that other services created with an id alone, or without a version', async () => {
    fixture.add(chat, utterance('blk_bare01', 'a') + utterance('blk_null01', 'b'));
    await fixture.sync();
    fixture.rows("DELETE FROM block WHERE id = 'blk_bare01' RETURNING id");
    fixture.rows("INSERT INTO block (id) VALUES ('blk_bare01') RETURNING id");
    fixture.rows("UPDATE block SET version = NULL WHERE id = 'blk_null01' RETURNING id");
    expect(await fixture.counters()).toEqual(counters(1, { updated: 2 }));
    expect(await fixture.block('blk_bare01')).toMatchObject({ text: 'a', version: 1 });
    expect(await fixture.block('blk_null01')).toMatchObject({ version: 1 });
  });
  it('lets the last of duplicated ids win, in every run', async () => {
    fixture.add(chat, utterance('blk_twice1', 'first') + utterance('blk_other1', 'x') + utterance('blk_twice1', 'second'));
    fixture.add('concepts/a.md', utterance('blk_twice1', 'third'));
    expect(await fixture.counters()).toEqual(counters(2, { new: 2, updated: 2 }));
    expect(await fixture.counters()).toEqual(counters(2, { updated: 3, unchanged: 1 }));
    expect(await fixture.block('blk_twice1')).toMatchObject({ text: 'third' });
  });
  it('counts duplicates with the same text as unchanged', async () => {
    fixture.add(chat, utterance('blk_twice1', 'same') + utterance('blk_twice1', 'same'));
    expect(await fixture.counters()).toEqual(counters(1, { new: 1, unchanged: 1 }));
  });
  it('leaves nodes alone whose block or file is gone', async () => {
    fixture.add(chat, utterance('blk_abc123', 'text'));
    await fixture.sync();
    rmSync(join(fixture.root, chat));
    expect(await fixture.counters()).toEqual(counters(0, {}));
    expect(await fixture.block('blk_abc123')).toBeDefined();
  });
  it('syncs the tiers asked for, and never the pages outside of them', async () => {
    for (const folder of ['conversations', 'summaries', 'concepts', 'other', '.'])
      fixture.add(`${folder}/${folder.length}.md`, utterance(`blk_${folder}`, 'x'));
    expect((await fixture.counters([2])).files_processed).toBe(1);
    expect((await fixture.counters([1, 3])).blocks_new).toBe(2);
    expect(fixture.nodes()).toHaveLength(3);
  });
  it('knows the old name family', async () => {
    fixture.add(chat, `${utterance('blk_new001', 'new family')}old family\n<!-- clarifai:id=blk_old001 ver=1 -->\n^blk_old001\n`);
    const { reconcileBlocks } = fixture.activities({ prefix: 'clarifai' });
    expect((await reconcileBlocks({ tiers: ALL_TIERS }, activityContext())).counters).toEqual(counters(1, { new: 1 }));
    expect(fixture.nodes()).toMatchObject([{ id: 'blk_old001', text: 'old family' }]);
  });
  it('tells how far it is, and never goes back', async () => {
    generateVault(fixture.root, { files: 100, blocksPerFile: 1, seed: 'x' });
    const { context } = await fixture.sync();
    const done = context.progressed.map((progress) => progress.done);
    expect(done).toEqual(done.toSorted((a, b) => a - b));
    expect(context.progressed.at(-1)).toEqual({ done: 100, total: 100, note: 'files' });
  });
});

describe('what cannot be handled is counted and the rest is done:', () => {
  const bad = 'conversations/bad.md';
  it.each([
    ['not-utf-8', () => fixture.add(bad, Buffer.from('Zo\xeb', 'latin1'))],
    ['not-a-file', () => fixture.add(`${bad}/x.txt`, '')],
    ['not-a-file', () => execFileSync('mkfifo', [join(fixture.root, bad)])],
    ['vanished', () => symlinkSync('nowhere', join(fixture.root, bad))],
    ['outside-vault', () => symlinkSync(fixture.folder.write('secret.md', utterance('blk_secret', 's')), join(fixture.root, bad))],
    ['too-large', () => fixture.add(bad, `x ${'<!-- aclarai:id=blk_a ver=1 -->'.repeat(6000)}`)],
  ])('%s', async (kind, make) => {
    fixture.add('conversations/a.md', utterance('blk_before', 'a'));
    fixture.add('conversations/z.md', utterance('blk_behind', 'z'));
    make();
    const { counters: counted, problems, context } = await fixture.sync();
    expect(counted).toEqual(counters(3, { new: 2 }, 1));
    expect(problems).toMatchObject({ counts: { [kind]: 1 }, listed: [{ kind, file: bad }] });
    expect(context.logged).toMatchObject([{ level: 'warn', facts: { file: bad } }]);
    expect(fixture.nodes()).toHaveLength(2);
  });
  it('a version that is too large', async () => {
    fixture.add(chat, utterance('blk_huge01', 'huge', '9'.repeat(5000)) + utterance('blk_fine01', 'fine'));
    const { counters: counted, problems } = await fixture.sync();
    expect(counted).toEqual(counters(1, { new: 1 }, 1, 1));
    expect(problems.listed).toMatchObject([{ kind: 'version-too-large', id: 'blk_huge01' }]);
  });
  it('a file that vanishes between listing and reading', async () => {
    const gone = fixture.add('conversations/gone.md', utterance('blk_gone01', 'x'));
    fixture.add(chat, utterance('blk_here01', 'y'));
    // The real folder, with someone deleting a file at the worst moment.
    const vault: VaultFiles = {
      ...fixture.vault,
      async list(tiers, signal) {
        const listing = await fixture.vault.list(tiers, signal);
        rmSync(gone);
        return listing;
      },
    };
    const { counters: counted } = await fixture.activities({ vault }).reconcileBlocks({ tiers: [1] }, activityContext());
    expect(counted).toEqual(counters(2, { new: 1 }, 1));
  });
  it('a folder link that leaves the vault is an error, one inside is not', async () => {
    symlinkSync('..', join(fixture.root, 'conversations/inside'));
    symlinkSync('../..', join(fixture.root, 'conversations/outside'));
    const { counters: counted, problems } = await fixture.sync();
    expect(counted).toEqual(counters(0, {}, 1));
    expect(problems.counts).toEqual({ 'outside-vault': 1, 'linked-folder': 1 });
  });
  it('hundreds of bad files still give a small result', async () => {
    for (let index = 0; index < 300; index++) symlinkSync('nowhere', join(fixture.root, `conversations/${'long'.repeat(40)}-${index}.md`));
    const result = await fixture.sync();
    expect(result.counters.errors).toBe(300);
    expect(Buffer.byteLength(JSON.stringify(result.problems))).toBeLessThan(9 * 1024);
  });
});

describe('without a vault', () => {
  it.each(['scanVault', 'reconcileBlocks', 'validateReferences'] as const)('%s fails for good, and says what to set', async (name) => {
    rmSync(fixture.root, { recursive: true });
    const failure = fixture.activities()[name]({ tiers: ALL_TIERS }, activityContext());
    await expect(failure).rejects.toMatchObject({
      code: 'VAULT_NOT_FOUND',
      retryable: false,
      message: expect.stringContaining('VAULT_PATH'),
    });
  });
});

describe('the sample vault', () => {
  it('shows everything once: errors, duplicates, broken links, and all but the duplicates unchanged the second time', async () => {
    cpSync(new URL('../../sample-vault', import.meta.url), fixture.root, { recursive: true });
    expect(await fixture.counters()).toEqual(counters(10, { new: 16, updated: 1 }, 1));
    expect(await fixture.counters()).toEqual(counters(10, { updated: 2, unchanged: 15 }, 1));
    const references = await fixture.activities().validateReferences({ tiers: ALL_TIERS }, activityContext());
    expect(references).toMatchObject({ counts: { 'broken-link': 1, 'duplicate-id': 1 }, markers_checked: 17, links_checked: 11 });
    expect(await fixture.block('clm_5f0c2a91')).toMatchObject({ text: 'Related concepts: [[Nightly export]], [[Lease age]]' });
    expect((await fixture.block('file_storage_growth_2026_09'))?.text).toMatch(
      /^# Storage growth in September\n[\s\S]*stopped the growth\.$/,
    );
  });
});

describe('reporting', () => {
  it('logs the counters by their names and leaves no checkpoint of the run behind', async () => {
    fixture.add(chat, utterance('blk_abc123', 'x'));
    const context = activityContext({ runId: 'run-a' });
    const { counters: counted } = await fixture.sync(ALL_TIERS, context);
    await fixture.sync(ALL_TIERS, activityContext({ runId: 'run-b' }));
    expect(fixture.rows('SELECT key FROM checkpoint')).toHaveLength(2);
    for (const _ of ['once', 'again after a crash']) {
      await fixture.activities().writeReport({ ...counted, duration: 1.5, references: {} }, context);
    }
    expect(fixture.rows('SELECT key FROM checkpoint')).toMatchObject([{ key: 'vault-sync/run-b/activity' }]);
    expect(context.logged.at(-1)).toMatchObject({
      level: 'info',
      facts: { job_id: 'run-a', blocks_new: 1, duration: 1.5, service: 'aclarai-scheduler' },
    });
  });
  it('forgets runs that nobody continued for a month', async () => {
    await fixture.sync();
    fixture.now += 31 * 24 * 60 * 60 * 1000;
    await fixture.activities().writeReport({ ...counters(0, {}), duration: 0, references: {} }, activityContext({ runId: 'other' }));
    expect(fixture.rows('SELECT key FROM checkpoint')).toEqual([]);
  });
});
