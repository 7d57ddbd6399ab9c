import type { Command } from 'commander';
import type { VaultSyncOutput } from '../../machines/vault-sync.machine.ts';
import { systemClock } from '../adapters/system/clock.ts';
import { type Service, startService } from '../app.ts';
import type { Config } from '../config.ts';
import { type JobTypeId, jobTypeId, type RunId, runId } from '../domain/ids.ts';
import { isFailure } from '../domain/outcome.ts';
import { nextOccurrence } from '../domain/schedule/occurrences.ts';
import type { RunView } from '../runtime/run-view.ts';
import { EXIT, textOf } from './exit-codes.ts';
import { configOf } from './session.ts';

/** The same run however often an instance starts: so it happens once, the first time (invariant 5). */
const FIRST_SYNC: { jobType: JobTypeId; runId: RunId } = { jobType: jobTypeId('vault-sync'), runId: runId('first-sync') };
const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
/** One Ctrl-C arrives twice: the terminal signals the whole process group, and npm passes on what it got. */
const ONE_KEY_PRESS_MS = 1_000;

const say = (text: string) => process.stdout.write(`${text}\n`);
const complain = (text: string) => process.stderr.write(`almanac: ${text}\n`);

export async function start({ vault, firstSync }: { vault?: string; firstSync: boolean }, command: Command): Promise<void> {
  const config = configOf(command, { vault });
  const interrupted = interruption();
  const service = await startService(config, say);
  tellWhereToLook(service, config);
  const ended = Promise.race([interrupted, service.failed]);
  if (firstSync) await Promise.race([syncFirst(service), ended]);

  const failure = await ended;
  if (failure !== undefined) {
    complain(failure);
    process.exitCode = EXIT.failed;
  }
  say('Stopping: handing back what runs.');
  await service.stop();
  process.exit(); // an activity that ignores its AbortSignal may still have timers and sockets, which would keep us here
}

/** Resolves at the first signal. A later one forces the end, and leaves an embedded server behind for the next start. */
function interruption(): Promise<void> {
  let firstAt: number | undefined;
  return new Promise((resolve) => {
    const onSignal = () => {
      if (firstAt !== undefined && performance.now() - firstAt > ONE_KEY_PRESS_MS) process.exit(EXIT.failed);
      firstAt ??= performance.now();
      resolve();
    };
    for (const signal of SIGNALS) process.on(signal, onSignal);
  });
}

function tellWhereToLook({ natsUrl, embedded, natsVersion, metricsUrl, schedules }: Service, { vault, dataDir, nats }: Config): void {
  say(`Almanac is running.
  NATS      ${natsUrl} (${embedded ? 'embedded' : 'external'}, ${natsVersion})
  vault     ${vault.root}${vault.isSample ? ' (the sample; set VAULT_PATH or --vault for yours)' : ''}
  data      ${dataDir}
  metrics   ${metricsUrl ?? 'off'}`);
  for (const { id, status, pause, spec } of schedules) {
    const { timing } = spec;
    const next = status === 'active' ? nextOccurrence(timing, systemClock.now()) : undefined;
    const when = timing.trigger.kind === 'cron' ? timing.trigger.cron : timing.trigger.kind;
    const then =
      status === 'paused'
        ? `paused${pause?.note ? `: ${pause.note}` : ''}`
        : `next ${next === undefined ? 'never' : new Date(next).toISOString()}`;
    say(`  schedule  ${id}: ${when} ${timing.timeZone}, ${then}`);
  }
  if (schedules.length === 0) say('  schedule  none');
  const where = nats.url === undefined ? `--data ${dataDir}` : `--nats ${natsUrl}`;
  say(`Ask it from another terminal:
  npx almanac run list ${where}
  npx almanac run start vault-sync --wait ${where}
Press Ctrl-C to stop.`);
}

/** It being impossible now is no reason to stop what can be done: the next start tries again. */
async function syncFirst({ operations }: Service): Promise<void> {
  try {
    const { existed } = await operations.startRun({ ...FIRST_SYNC, actor: { who: 'almanac', why: 'first start of this instance' } });
    if (existed) return;
    say(summaryOf(await operations.startRunAndWait(FIRST_SYNC, () => {})));
  } catch (error) {
    complain(`the first vault-sync could not be started; everything else goes on. ${textOf(error)}`);
  }
}

function summaryOf({ id, outcome, output, error }: RunView): string {
  const result = output as Partial<VaultSyncOutput> | null;
  const problem = result?.error ?? error;
  if (outcome === null || isFailure(outcome) || problem !== undefined || result === null)
    return `First vault-sync: ${outcome ?? 'failed'}. ${problem?.message ?? ''} See: almanac run describe ${id}`;
  return (
    `First vault-sync: ${outcome}. ${result.files_processed} files with ${result.blocks_processed} blocks: ${result.blocks_new} new, ` +
    `${result.blocks_updated} updated, ${result.blocks_unchanged} unchanged; ${result.errors} could not be read. See: almanac run describe ${id}`
  );
}
