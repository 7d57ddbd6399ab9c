/**
 * How long a sync of a big vault takes, without NATS: `node test/bench/vault-sync.ts [files] [blocksPerFile]`.
 * Not measured: a cold disk (the files were just written), slow network mounts, Neo4j.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { vaultSyncActivities } from '../../src/activities/vault-sync/index.ts';
import { sqliteGraph } from '../../src/adapters/sqlite/graph.ts';
import { vaultFiles } from '../../src/adapters/system/vault-files.ts';
import { instant } from '../../src/domain/ids.ts';
import { activityContext } from '../support/activity-context.ts';
import { generateVault } from '../support/generate-vault.ts';

const [files = 10_000, blocksPerFile = 10] = process.argv.slice(2).map(Number);
const prepared = process.env.BENCH_ROOT; // set for the child process, so that its memory is that of the sync alone
const root = prepared ?? mkdtempSync(join(tmpdir(), 'almanac-bench-'));
const seconds = (from: number) => `${((performance.now() - from) / 1000).toFixed(2)} s`;

if (prepared === undefined) {
  const from = performance.now();
  generateVault(join(root, 'vault'), { files, blocksPerFile, seed: 'bench' });
  console.log(`generated ${files} files of ${blocksPerFile} blocks in ${seconds(from)}`);
  for (const run of ['first', 'unchanged', 'unchanged-again']) {
    spawnSync(process.execPath, [import.meta.filename, run], { env: { ...process.env, BENCH_ROOT: root }, stdio: 'inherit' });
  }
  rmSync(root, { recursive: true });
} else {
  await sync(process.argv[2]!);
}

async function sync(name: string): Promise<void> {
  const graph = sqliteGraph(join(root, 'graph.sqlite'));
  const activities = vaultSyncActivities({ vault: vaultFiles({ root: join(root, 'vault') }), graph, clock: () => instant(Date.now()) });
  const context = activityContext({ runId: name });
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const from = performance.now();
  await activities.scanVault({ tiers: [1, 2, 3] }, context);
  const scanned = seconds(from);
  const { counters } = await activities.reconcileBlocks({ tiers: [1, 2, 3] }, context);
  const reconciled = seconds(from);
  const references = await activities.validateReferences({ tiers: [1, 2, 3] }, context);
  await activities.writeReport({ ...counters, duration: 0, references: references.counts }, context);
  delay.disable();
  await graph.close();
  console.log(`${name}: ${seconds(from)} (scanned after ${scanned}, reconciled after ${reconciled})`);
  console.log(
    `  peak memory ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MB, loop held up ${(delay.max / 1e6).toFixed(0)} ms at most`,
  );
  console.log(`  ${JSON.stringify(counters)} ${JSON.stringify({ ...references, listed: references.listed.length })}`);
}
