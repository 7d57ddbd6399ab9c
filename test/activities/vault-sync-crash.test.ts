/** Holders of a run come and go; the graph and the counters must be those of an undisturbed run. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sqliteGraph } from '../../src/adapters/sqlite/graph.ts';
import { CheckpointConflictError } from '../../src/knowledge/errors.ts';
import type { Graph } from '../../src/knowledge/ports.ts';
import { activityContext } from '../support/activity-context.ts';
import { generateVault } from '../support/generate-vault.ts';
import { ALL_TIERS, utterance, VaultSyncFixture } from '../support/vault-sync-fixture.ts';

const tiers = ALL_TIERS;
const source = (path: string) => JSON.stringify(new URL(`../../src/${path}`, import.meta.url));
const START = { runId: 'stormy-night', activityId: 'reconcileBlocks', visit: 1 };
let fixture: VaultSyncFixture;
let expected: { result: unknown; nodes: unknown[] };

/** 300 files with something of everything; synced once and then edited, so that a run creates, updates and leaves alone. */
async function prepare(target: VaultSyncFixture): Promise<void> {
  const paths = generateVault(target.root, { files: 300, blocksPerFile: 3, seed: 'crash' });
  await target.sync();
  paths.forEach((path, index) => {
    if (index % 3 === 0)
      target.add(path, utterance(`blk_edited_${index}`, 'new') + utterance(`blk_${(index * 3).toString(36).padStart(8, '0')}`, 'edited'));
    if (index % 50 === 7) target.add(path, Buffer.from('Zo\xeb', 'latin1'));
  });
}

beforeEach(async () => {
  fixture = new VaultSyncFixture();
  await prepare(fixture);
  const undisturbed = new VaultSyncFixture();
  await prepare(undisturbed);
  const { counters, problems } = await undisturbed.sync();
  const nodes = JSON.parse(JSON.stringify(undisturbed.nodes()).replaceAll(undisturbed.root, fixture.root));
  expected = { result: { counters, problems }, nodes };
  await undisturbed.dispose();
});
afterEach(() => fixture.dispose());

/** As another process: a connection of its own. */
async function holder<Result>(work: (graph: Graph) => Promise<Result>): Promise<Result> {
  const graph = sqliteGraph(fixture.graphFile);
  try {
    return await work(graph);
  } finally {
    await graph.close();
  }
}

const reconcile = (graph: Graph, context = activityContext(START)) => fixture.activities({ graph }).reconcileBlocks({ tiers }, context);

/** Works until `files` are done, then dies. */
async function dyingHolder(files: number): Promise<void> {
  const death = new AbortController();
  const onProgress = ({ done }: { done: number }) => {
    if (done >= files) death.abort(new Error('killed'));
  };
  await expect(holder((graph) => reconcile(graph, activityContext({ ...START, signal: death.signal, onProgress })))).rejects.toThrow(
    'killed',
  );
}

describe('a run that changes hands', () => {
  it.each([[[0]], [[1]], [[100]], [[40, 80, 120, 160, 200, 240]], [[288]]])('after %j files ends as an undisturbed one', async (deaths) => {
    for (const files of deaths) await dyingHolder(files);
    const context = activityContext(START);
    expect(await holder((graph) => reconcile(graph, context))).toEqual(expected.result);
    expect(fixture.nodes()).toEqual(expected.nodes);
    expect(context.progressed[0]!.done).toBeGreaterThanOrEqual(Math.max(0, deaths.at(-1)! - 64));
  });
  it('after a kill -9 ends as an undisturbed one', async () => {
    const script = `
      import { writeSync } from 'node:fs';
      import { vaultSyncActivities } from ${source('activities/vault-sync/index.ts')};
      import { sqliteGraph } from ${source('adapters/sqlite/graph.ts')};
      import { vaultFiles } from ${source('adapters/system/vault-files.ts')};
      const [root, graphFile, now, start] = process.argv.slice(1);
      const graph = sqliteGraph(graphFile);
      const { reconcileBlocks } = vaultSyncActivities({ vault: vaultFiles({ root }), graph, clock: () => Number(now) });
      const ignore = () => {};
      const progress = ({ done }) => {
        if (done < 100) return;
        writeSync(1, done + '\\n');
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); // until killed
      };
      const signal = new AbortController().signal;
      await reconcileBlocks({ tiers: [1, 2, 3] }, { ...JSON.parse(start), signal, progress, log: { info: ignore, warn: ignore } });`;
    const { jobType, runId, activityId } = activityContext(START);
    const args = [fixture.root, fixture.graphFile, String(fixture.now), JSON.stringify({ jobType, runId, activityId })];
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [doneAtDeath] = (await once(child.stdout, 'data')) as [Buffer];
    child.kill('SIGKILL');
    await once(child, 'exit');

    const context = activityContext(START);
    expect(await holder((graph) => reconcile(graph, context))).toEqual(expected.result);
    expect(fixture.nodes()).toEqual(expected.nodes);
    expect(context.progressed[0]!.done).toBe(Number(doneAtDeath.toString()));
  });
  it('has not much to repeat when nothing was changed', async () => {
    generateVault(fixture.root, { files: 900, blocksPerFile: 1, seed: 'quiet' });
    await fixture.sync();
    await dyingHolder(850);
    const context = activityContext(START);
    const { counters } = await holder((graph) => reconcile(graph, context));
    expect(counters).toMatchObject({ files_processed: 900, blocks_unchanged: 900, blocks_new: 0, blocks_updated: 0 });
    expect(context.progressed[0]!.done).toBeGreaterThan(400);
  });
  it('when it had finished but could not say so, gives the same answer without looking at a file', async () => {
    const first = await holder((graph) => reconcile(graph));
    const again = activityContext(START);
    expect(await holder((graph) => reconcile(graph, again))).toEqual(first);
    expect(again.progressed).toEqual([{ done: 300, total: 300, note: 'files' }]);
    expect(first).toEqual(expected.result);
  });
  it('ends as an undisturbed one, too, when another attempt of the same run goes on', async () => {
    await dyingHolder(100);
    const context = activityContext({ ...START, visit: 2 });
    expect(await holder((graph) => reconcile(graph, context))).toEqual(expected.result);
    expect(context.progressed[0]!.done).toBeGreaterThanOrEqual(36);
  });
  it('begins anew in another run', async () => {
    await dyingHolder(100);
    const { counters } = await holder((graph) => reconcile(graph, activityContext({ ...START, runId: 'calm-morning' })));
    expect(counters.files_processed).toBe(300);
    expect(counters).not.toEqual(JSON.parse(JSON.stringify(expected.result)).counters);
  });
});

describe('a holder that lost its lease without noticing', () => {
  /** Stalls before its write number `write`, lets `meanwhile` happen, and then goes on as if nothing had been. */
  const stalling = (graph: Graph, write: number, meanwhile: () => Promise<unknown>): Graph => {
    let writes = 0;
    return {
      ...graph,
      async writeBlocks(blocks, checkpoint) {
        if (++writes === write) await meanwhile();
        return graph.writeBlocks(blocks, checkpoint);
      },
    };
  };

  it.each([1, 2, 3, 5])('is stopped at its write number %i, and has changed nothing', async (write) => {
    let result: unknown;
    const finishedByAnother = async () => {
      result = await holder((graph) => reconcile(graph));
    };
    const stalled = holder((graph) => reconcile(stalling(graph, write, finishedByAnother)));
    await expect(stalled).rejects.toThrow(CheckpointConflictError);
    expect(result).toEqual(expected.result);
    expect(fixture.nodes()).toEqual(expected.nodes);
  });
  it('is stopped as soon as another has begun, before that one has written a block', async () => {
    const takenOver = () => dyingHolder(0);
    await expect(holder((graph) => reconcile(stalling(graph, 2, takenOver)))).rejects.toThrow(CheckpointConflictError);
    expect(await holder((graph) => reconcile(graph))).toEqual(expected.result);
  });
  it('is stopped also when the run is over and its checkpoint gone', async () => {
    const wholeRun = async () => {
      const { counters } = await holder((graph) => reconcile(graph));
      const report = { ...counters, duration: 0, references: {} };
      await fixture.activities().writeReport(report, activityContext({ ...START, activityId: 'writeReport', visit: 3 }));
    };
    await expect(holder((graph) => reconcile(stalling(graph, 3, wholeRun)))).rejects.toThrow(CheckpointConflictError);
    expect(fixture.nodes()).toEqual(expected.nodes);
  });
  it('of two that begin at the same moment, exactly one goes on', async () => {
    const results = await Promise.allSettled([holder((graph) => reconcile(graph)), holder((graph) => reconcile(graph))]);
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(results.find(({ status }) => status === 'fulfilled')).toMatchObject({ value: expected.result });
    expect(fixture.nodes()).toEqual(expected.nodes);
  });
});
