/** Everything that runs jobs, on a real server: what `src/app.ts` puts together, without what tests do not need. */
import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { natsAlerts } from '../../src/adapters/nats/alerts.ts';
import { natsAnnouncer, natsRunNews } from '../../src/adapters/nats/announcer.ts';
import { natsCommandSender } from '../../src/adapters/nats/command-sender.ts';
import { connect, disconnect } from '../../src/adapters/nats/connection.ts';
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
import { jobTypeId, type RunId, runId } from '../../src/domain/ids.ts';
import { isFinal } from '../../src/domain/statechart/snapshot.ts';
import { Host, type HostOptions } from '../../src/runtime/host.ts';
import { runnable } from '../../src/runtime/job-types.ts';
import type { CommandSender, Identity, Log, StoredRunEvent } from '../../src/runtime/ports.ts';
import type { TestJob } from './jobs.ts';
import { Sightings, sightingLog } from './sightings.ts';

export interface Client extends AsyncDisposable {
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  readonly publisher: Publisher;
  readonly commands: CommandSender;
  start(job: TestJob, run: string, input?: object): Promise<unknown>;
  /** @param run @default all of the job type, in the order of the log */
  historyOf(job: TestJob, run?: string): Promise<StoredRunEvent[]>;
  /** Calls back with each event of a run, until it has ended. */
  followTo(job: TestJob, run: string, onEvent: (stored: StoredRunEvent) => void): Promise<void>;
}

export async function clientOn({ url }: { readonly url: string }): Promise<Client> {
  const { connection, manager } = await connect({ url, name: 'test' });
  await declareStreams(manager);
  const publisher = new Publisher(connection);
  const commands = natsCommandSender(publisher, manager);
  const history = natsRunHistory(connection, manager);
  return {
    connection,
    manager,
    publisher,
    commands,
    start: (job, run, input = {}) => commands.start({ jobType: jobTypeId(job.jobType.id), runId: runId(run), input }),
    async historyOf(job, run) {
      const events: StoredRunEvent[] = [];
      await history.read({ jobType: jobTypeId(job.jobType.id), runId: run as RunId | undefined }, (stored) => void events.push(stored));
      return events;
    },
    async followTo(job, run, onEvent) {
      const follow = new AbortController();
      await history.read({ jobType: jobTypeId(job.jobType.id), runId: run as RunId, follow: follow.signal }, (stored) => {
        onEvent(stored);
        return isFinal(stored.event.data.snapshot) ? 'stop' : undefined;
      });
      follow.abort();
    },
    async [Symbol.asyncDispose]() {
      publisher.close();
      await disconnect(connection);
    },
  };
}

export interface TestHost extends Client {
  readonly host: Host;
  /** `started`, `ended` and `held back`, with the job type; and every warning and error that was logged. */
  readonly seen: Sightings;
  /** As a process that was told to end. */
  stop(): Promise<void>;
}

type Tunable =
  | 'maxRuns'
  | 'clock'
  | 'triesBeforeSuspending'
  | 'parkAfterMs'
  | 'longestWakeDelayMs'
  | 'activityGraceMs'
  | 'stopGraceMs'
  | 'policyDefaults';
export interface HostOnOptions extends Partial<Pick<HostOptions, Tunable>> {
  readonly leaseMs?: number;
  readonly identity?: Identity;
  /** @default Warnings and errors become sightings. */
  readonly log?: Log;
}

export async function hostOn(server: { readonly url: string }, jobs: readonly TestJob[], options: HostOnOptions = {}): Promise<TestHost> {
  const client = await clientOn(server);
  // A virtual clock does not move the server's time, and it is the server that keeps a parked run waiting.
  const { leaseMs = 10_000, parkAfterMs = options.clock === undefined ? undefined : Number.MAX_SAFE_INTEGER, ...tuned } = options;
  const { connection, manager, publisher } = client;
  const seen = new Sightings();
  const log = options.log ?? sightingLog(seen);
  const identity = options.identity ?? processIdentity();
  const clock = options.clock ?? systemClock;
  const host = new Host({
    jobTypes: jobs.map(({ jobType, activities }) => runnable(jobType, activities)),
    leases: natsLeases(connection, manager, log, { leaseMs }),
    runs: natsRunLog(publisher, manager),
    history: natsRunHistory(connection, manager),
    commands: client.commands,
    news: natsRunNews(connection),
    deadLetters: natsDeadLetters(publisher),
    refusals: natsRefusals(connection, manager),
    alerts: natsAlerts({ publisher, manager, clock, source: identity.source }),
    rates: natsRateLimiter(publisher, manager),
    announcer: natsAnnouncer(connection),
    clock,
    identity,
    observer: {
      started: () => seen.saw('started'),
      ended: (_, outcome) => seen.saw('ended', outcome),
      heldBack: () => seen.saw('held back'),
    },
    log,
    ...tuned,
    ...(parkAfterMs !== undefined && { parkAfterMs }),
  });
  await host.start();
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= host.stop().then(() => client[Symbol.asyncDispose]());
    return stopped;
  };
  return { ...client, host, seen, stop, [Symbol.asyncDispose]: stop };
}
