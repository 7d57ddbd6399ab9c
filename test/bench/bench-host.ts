/** A host as the program makes it, and a connection to send commands by. */
import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import pino from 'pino';
import { natsAlerts } from '../../src/adapters/nats/alerts.ts';
import { natsAnnouncer, natsRunNews } from '../../src/adapters/nats/announcer.ts';
import { natsCommandSender } from '../../src/adapters/nats/command-sender.ts';
import { connect } from '../../src/adapters/nats/connection.ts';
import { natsDeadLetters } from '../../src/adapters/nats/dead-letters.ts';
import { declareStreams } from '../../src/adapters/nats/declare-streams.ts';
import { natsLeases } from '../../src/adapters/nats/leases.ts';
import { Publisher } from '../../src/adapters/nats/publisher.ts';
import { natsRateLimiter } from '../../src/adapters/nats/rate-limiter.ts';
import { natsRefusals } from '../../src/adapters/nats/refusals.ts';
import { natsRunHistory } from '../../src/adapters/nats/run-history.ts';
import { natsRunLog } from '../../src/adapters/nats/run-log.ts';
import { systemClock } from '../../src/adapters/system/clock.ts';
import { processIdentity } from '../../src/adapters/system/identity.ts';
import type { Activities } from '../../src/domain/activity.ts';
import type { JobType } from '../../src/domain/job-type.ts';
import { Host, type HostOptions } from '../../src/runtime/host.ts';
import { runnable } from '../../src/runtime/job-types.ts';
import type { CommandSender } from '../../src/runtime/ports.ts';

export interface BenchHost {
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  readonly commands: CommandSender;
  readonly host: Host;
  close(): Promise<void>;
}

/** Not started yet. */
export async function benchHost(
  url: string,
  jobType: JobType,
  activities: Activities,
  options: Partial<Pick<HostOptions, 'observer' | 'maxRuns' | 'parkAfterMs'>> = {},
): Promise<BenchHost> {
  const { connection, manager } = await connect({ url, name: 'bench' });
  await declareStreams(manager);
  const publisher = new Publisher(connection);
  const commands = natsCommandSender(publisher, manager);
  const log = pino({ level: 'warn' });
  const identity = processIdentity();
  const host = new Host({
    jobTypes: [runnable(jobType, activities)],
    leases: natsLeases(connection, manager, log),
    runs: natsRunLog(publisher, manager),
    history: natsRunHistory(connection, manager),
    commands,
    news: natsRunNews(connection),
    refusals: natsRefusals(connection, manager),
    alerts: natsAlerts({ publisher, manager, clock: systemClock, source: identity.source }),
    deadLetters: natsDeadLetters(publisher),
    rates: natsRateLimiter(publisher, manager),
    announcer: natsAnnouncer(connection),
    clock: systemClock,
    identity,
    observer: { started() {}, heldBack() {}, ended() {} },
    log,
    ...options,
  });
  return {
    connection,
    manager,
    commands,
    host,
    async close() {
      await host.stop();
      publisher.close();
      await connection.close();
    },
  };
}
