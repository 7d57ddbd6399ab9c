/** Runs per second of the whole product: lease, start, append, activity, append, acknowledge. */
import pino from 'pino';
import { natsAnnouncer } from '../../src/adapters/nats/announcer.ts';
import { natsCommandSender } from '../../src/adapters/nats/command-sender.ts';
import { connect } from '../../src/adapters/nats/connection.ts';
import { natsDeadLetters } from '../../src/adapters/nats/dead-letters.ts';
import { declareStreams } from '../../src/adapters/nats/declare-streams.ts';
import { natsLeases } from '../../src/adapters/nats/leases.ts';
import { Publisher } from '../../src/adapters/nats/publisher.ts';
import { natsRateLimiter } from '../../src/adapters/nats/rate-limiter.ts';
import { natsRunLog } from '../../src/adapters/nats/run-log.ts';
import { systemClock } from '../../src/adapters/system/clock.ts';
import { processIdentity } from '../../src/adapters/system/identity.ts';
import { jobTypeId, runId } from '../../src/domain/ids.ts';
import type { JobType } from '../../src/domain/job-type.ts';
import { Host } from '../../src/runtime/host.ts';
import { runnable } from '../../src/runtime/job-types.ts';
import { noOpActivities } from './no-op.machines.ts';
import type { Target } from './raw/limits.ts';
import { type Figure, measure } from './raw/measure.ts';

interface ProductRuns {
  readonly jobType: JobType;
  readonly runs: number;
  readonly slots: number;
  /** Called with what is measured, e.g. to profile it. */
  readonly around?: (work: () => Promise<Figure>) => Promise<Figure>;
}

/** `runs` of a job type, `slots` at a time. The commands are stored before the clock starts, as for the raw loop. */
export async function productRuns({
  url,
  serverPid,
  jobType,
  runs,
  slots,
  around = (work) => work(),
}: Target & ProductRuns): Promise<Figure> {
  const { connection, manager } = await connect({ url, name: 'bench' });
  await declareStreams(manager);
  const publisher = new Publisher(connection);
  const commands = natsCommandSender(publisher, manager);
  const batch = Date.now().toString(36);
  const sent = Array.from({ length: runs }, (_, n) =>
    commands.start({ jobType: jobTypeId(jobType.id), runId: runId(`b${batch}-${n}`), input: {} }),
  );
  await Promise.all(sent);

  const log = pino({ level: 'warn' });
  const { promise: finished, resolve } = Promise.withResolvers<void>();
  let ended = 0;
  const host = new Host({
    jobTypes: [runnable(jobType, noOpActivities)],
    leases: natsLeases(connection, manager, log),
    runs: natsRunLog(publisher, manager),
    deadLetters: natsDeadLetters(publisher),
    rates: natsRateLimiter(publisher, manager),
    announcer: natsAnnouncer(connection),
    clock: systemClock,
    identity: processIdentity(),
    observer: { started() {}, heldBack() {}, ended: () => void (++ended === runs && resolve()) },
    log,
    maxRuns: slots,
  });
  const figure = await around(() =>
    measure(async () => {
      await host.start();
      await finished;
      await connection.flush();
      return runs;
    }, serverPid),
  );
  await host.stop();
  publisher.close();
  await connection.close();
  return figure;
}
