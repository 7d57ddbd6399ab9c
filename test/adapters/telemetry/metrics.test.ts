import { expect, it } from 'vitest';
import { freePort } from '../../../src/adapters/system/free-port.ts';
import { openMetrics } from '../../../src/adapters/telemetry/metrics.ts';
import { jobTypeId } from '../../../src/domain/ids.ts';

it('runs are counted and timed in seconds, by job type and outcome, and nothing of the process is given away', async () => {
  const metrics = await openMetrics('127.0.0.1', await freePort(0));
  const vaultSync = jobTypeId('vault-sync');
  metrics.observer.started(vaultSync);
  metrics.observer.ended(vaultSync, 'succeeded', 2_500);
  metrics.observer.started(vaultSync);
  metrics.observer.ended(vaultSync, 'failed', 40);
  metrics.observer.heldBack(vaultSync);
  metrics.dependencies.breaker('activity.x.y', 'open');
  metrics.dependencies.breaker('activity.x.y', 'halfOpen');
  metrics.dependencies.refused('activity.x.y', 'bulkhead');
  const page = await (await fetch(metrics.url!)).text();
  await metrics.close();
  const lines = page.split('\n');
  const value = (start: RegExp) =>
    lines
      .find((line) => start.test(line))
      ?.split(' ')
      .at(-1);
  expect(value(/^almanac_run_duration\w*_bucket\{.*outcome="succeeded".*le="1"/)).toBe('0');
  expect(value(/^almanac_run_duration\w*_bucket\{.*outcome="succeeded".*le="5"/)).toBe('1');
  expect(value(/^almanac_run_active\{/)).toBe('0');
  expect(value(/^almanac_run_errors\w*\{.*error_type="failed"/)).toBe('1');
  expect(value(/^almanac_run_errors\w*\{.*error_type="held_back"/)).toBe('1');
  expect(value(/^almanac_dependency_breaker\{.*state="open"/)).toBe('0');
  expect(value(/^almanac_dependency_breaker\{dependency="activity.x.y",state="halfOpen"/)).toBe('1');
  expect(value(/^almanac_dependency_refused\w*\{.*by="bulkhead"/)).toBe('1');
  expect(page).not.toContain(process.execPath);
});
