import type { Command } from 'commander';
import { systemClock } from '../adapters/system/clock.ts';
import { startService } from '../app.ts';
import { type JobTypeId, jobTypeId, type RunId, runId } from '../domain/ids.ts';
import { nextOccurrence } from '../domain/occurrences.ts';
import { EXIT } from './exit-codes.ts';
import { configOf } from './session.ts';

/** The same run however often an instance starts: so it happens once, the first time (invariant 5). */
const FIRST_SYNC: { jobType: JobTypeId; runId: RunId } = { jobType: jobTypeId('vault-sync'), runId: runId('first-sync') };

export async function start({ vault, firstSync }: { vault?: string; firstSync: boolean }, command: Command): Promise<void> {
  const config = configOf(command, { vault });
  const say = (text: string) => process.stdout.write(`${text}\n`);
  const interrupted = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });

  const service = await startService(config, say);
  const flags = `--data ${config.dataDir}`;
  say(`Almanac is running.
  NATS      ${service.natsUrl} (${service.embedded ? 'embedded' : 'external'}, ${service.natsVersion})
  vault     ${config.vault.root}${config.vault.isSample ? ' (the sample; set VAULT_PATH or --vault for yours)' : ''}
  data      ${config.dataDir}
  metrics   ${service.metricsUrl ?? 'off'}`);
  for (const { id, rule } of service.schedules) {
    const next = nextOccurrence(rule, systemClock.now());
    say(`  schedule  ${id}: ${rule.cron} ${rule.timeZone}, next ${next === undefined ? 'never' : new Date(next).toISOString()}`);
  }
  say(`Ask it from another terminal:
  npx almanac run list ${flags}
  npx almanac run start vault-sync --wait ${flags}`);
  say('Press Ctrl-C to stop.');
  const ended = Promise.race([interrupted, service.failed]);
  if (firstSync) await Promise.race([syncFirst(service, say), ended]);

  const failure = await ended;
  if (failure !== undefined) {
    process.stderr.write(`almanac: ${failure}\n`);
    process.exitCode = EXIT.failed;
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(EXIT.failed)); // a second one forces
  say('Stopping: handing back what runs.');
  await service.stop();
}

async function syncFirst({ operations }: Awaited<ReturnType<typeof startService>>, say: (text: string) => void): Promise<void> {
  const { existed } = await operations.startRun({ ...FIRST_SYNC, actor: { who: 'almanac', why: 'first start of this instance' } });
  if (existed) return;
  const { outcome, output } = await operations.startRunAndWait(FIRST_SYNC, () => {});
  say(`First vault-sync: ${outcome} ${JSON.stringify(output)}`);
}
