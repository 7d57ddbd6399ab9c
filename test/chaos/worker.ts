/**
 * A worker process of the chaos suite: `node worker.ts <url> <folder of effects> <leaseMs> <offsetMs>`. Tells its parent when it works,
 * and under which name; its clock goes by what the parent says; it ends with its parent.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { natsDeadLetters } from '../../src/adapters/nats/dead-letters.ts';
import { sweepStrays } from '../../src/adapters/nats/strays.ts';
import { systemClock } from '../../src/adapters/system/clock.ts';
import { processIdentity } from '../../src/adapters/system/identity.ts';
import { ConnectError } from '../../src/domain/errors.ts';
import { laneLimits } from '../../src/domain/job-type.ts';
import type { Log } from '../../src/runtime/ports.ts';
import { hostOn } from '../support/host-on.ts';
import { effectsFile } from './effects.ts';
import { chaosJobs, PARK_AFTER_MS } from './jobs.ts';
import { JumpingClock } from './jumping-clock.ts';

export interface ToWorker {
  readonly offsetMs: number;
}
export interface FromWorker {
  readonly ready: string;
}

const [url, folder, leaseMs, offsetMs] = process.argv.slice(2) as [string, string, string, string];
const RETRY_MS = 100;
const SWEEP_EVERY_MS = 1_000;
/** Clocks are an hour wrong, and then right again. */
const LOOK_AT_WAKES_MS = 5_000;

const clock = new JumpingClock(Number(offsetMs));
const identity = processIdentity();
const jobs = chaosJobs(effectsFile(folder, identity.source));
const lanes = new Map(jobs.map(({ jobType }) => [jobType.id, [...laneLimits(jobType).keys()]]));

process.on('message', (message: ToWorker) => clock.jumpTo(message.offsetMs));
process.on('disconnect', () => process.exit());

const say = (level: string) => (facts: object, message: string) => {
  const { err, ...rest } = facts as { err?: unknown };
  process.stderr.write(`${new Date().toISOString()} ${level} ${message} ${JSON.stringify(rest)} ${err === undefined ? '' : String(err)}\n`);
};
const log: Log = { debug: () => undefined, info: () => undefined, warn: say('warn'), error: say('error') };

const host = await startHost();
const sweeping = setInterval(() => void sweep().catch((err) => say('warn')({ err }, 'sweeping failed')), SWEEP_EVERY_MS);
process.on('SIGTERM', async () => {
  clearInterval(sweeping);
  await host.stop();
  process.disconnect();
});
process.send!({ ready: identity.source } satisfies FromWorker);

function sweep(): Promise<number> {
  return sweepStrays(host.manager, natsDeadLetters(host.publisher), log, systemClock, lanes);
}

/** The server may be away just now. */
async function startHost() {
  for (;;) {
    try {
      return await hostOn({ url }, jobs, {
        leaseMs: Number(leaseMs),
        clock,
        identity,
        log,
        parkAfterMs: PARK_AFTER_MS,
        longestWakeDelayMs: LOOK_AT_WAKES_MS,
      });
    } catch (error) {
      if (!(error instanceof ConnectError)) say('warn')({ err: error }, 'the worker could not start; trying again');
      await delay(RETRY_MS);
    }
  }
}
