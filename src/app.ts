/** The composition root: one start, one stop. Everything is put together here and nowhere else. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/transport-node';
import pino from 'pino';
import { jobTypes } from '../machines/index.ts';
import { activitiesByJobType } from './activities/index.ts';
import { natsAlertHistory, natsAlerts } from './adapters/nats/alerts.ts';
import { natsAnnouncer, natsRunNews } from './adapters/nats/announcer.ts';
import { natsBreakerEvents } from './adapters/nats/breaker-events.ts';
import { natsCommandSender } from './adapters/nats/command-sender.ts';
import { connect, disconnect } from './adapters/nats/connection.ts';
import { natsDeadLetterBox } from './adapters/nats/dead-letter-box.ts';
import { natsDeadLetters } from './adapters/nats/dead-letters.ts';
import { declareStreams, streamsExist } from './adapters/nats/declare-streams.ts';
import { natsLeases } from './adapters/nats/leases.ts';
import { Publisher } from './adapters/nats/publisher.ts';
import { queuedStarts } from './adapters/nats/queued-starts.ts';
import { natsRateLimiter } from './adapters/nats/rate-limiter.ts';
import { natsRefusals } from './adapters/nats/refusals.ts';
import { activitySubject, remoteActivity } from './adapters/nats/remote-activity.ts';
import { natsReplyBox } from './adapters/nats/reply-box.ts';
import { natsRunHistory } from './adapters/nats/run-history.ts';
import { natsRunLog } from './adapters/nats/run-log.ts';
import { SWEEP_EVERY_MS, sweepStrays } from './adapters/nats/strays.ts';
import { guarded } from './adapters/resilience/guarded.ts';
import { sqliteGraph } from './adapters/sqlite/graph.ts';
import { systemClock } from './adapters/system/clock.ts';
import { freePort } from './adapters/system/free-port.ts';
import { processIdentity } from './adapters/system/identity.ts';
import { openEmbeddedServer } from './adapters/system/nats-server/embedded-server.ts';
import { discoverServer } from './adapters/system/nats-server/server-record.ts';
import { assertSupportedVersion } from './adapters/system/nats-server/versions.ts';
import { vaultFiles } from './adapters/system/vault-files.ts';
import type { Metrics } from './adapters/telemetry/metrics.ts';
import { noMetrics } from './adapters/telemetry/no-metrics.ts';
import { type ScheduleClient, type Server, schedulesOn, schedulingOn } from './app-schedules.ts';
import type { Config } from './config.ts';
import { NeverStartedError, NotRunningError, withoutCredentials } from './domain/errors.ts';
import { laneLimits } from './domain/job-type.ts';
import type { ScheduleState } from './domain/schedule/schedule.ts';
import type { ActivityMakers } from './runtime/activity-makers.ts';
import { DeadLetterOperations } from './runtime/dead-letter-operations.ts';
import { withParentsTold } from './runtime/handover.ts';
import { Host } from './runtime/host.ts';
import { runnable } from './runtime/job-types.ts';
import { Operations } from './runtime/operations.ts';
import type { DependencyObserver, Log } from './runtime/ports.ts';
import { RunControl } from './runtime/run-control.ts';

/** While stopping. Docker kills after ten seconds. */
const ANSWERS_WITHIN_MS = 3_000;

export interface Service {
  /** Without the password that the setting may hold. */
  readonly natsUrl: string;
  readonly natsVersion: string;
  /** True when an embedded server is used, false for `NATS_URL`. */
  readonly embedded: boolean;
  readonly metricsUrl: string | undefined;
  readonly schedules: readonly ScheduleState[];
  readonly operations: Operations;
  /** Resolves when the service cannot go on, with the reason. */
  readonly failed: Promise<string>;
  /** Hands every lease back and closes everything. Safe to repeat. */
  stop(): Promise<void>;
}

/**
 * Starts everything that runs jobs. What was started is stopped again when a later part fails.
 * @param report Told what takes long, in people's words.
 */
export async function startService(config: Config, report: (text: string) => void): Promise<Service> {
  const closers: (() => unknown)[] = [];
  const stop = once(async () => {
    for (const close of closers.reverse()) await close();
  });
  try {
    return await startParts(config, report, (close) => closers.push(close), stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startParts(
  config: Config,
  report: (text: string) => void,
  onStop: (close: () => unknown) => void,
  stop: () => Promise<void>,
): Promise<Service> {
  const log = pino({ name: 'almanac', level: config.logLevel }, pino.destination(2));
  const identity = processIdentity();
  const { promise: failed, resolve: fail } = Promise.withResolvers<string>();
  await mkdir(config.dataDir, { recursive: true });

  const embedded =
    config.nats.url === undefined
      ? await openEmbeddedServer({ dataDir: config.dataDir, cacheDir: config.cacheDir, env: config.environment, report, onExit: fail })
      : undefined;
  if (embedded) onStop(() => embedded.close());
  const natsUrl = config.nats.url ?? embedded!.url;
  const { connection, manager } = await connect({ url: natsUrl, name: identity.source, credentials: config.nats.credentials });
  onStop(() => disconnect(connection));
  const natsVersion = connection.info?.version ?? '0.0.0';
  assertSupportedVersion(natsVersion, natsUrl);
  await declareStreams(manager, { replicas: config.nats.replicas });

  const publisher = new Publisher(connection);
  onStop(() => publisher.close());
  const graph = sqliteGraph(join(config.dataDir, 'graph.sqlite'));
  onStop(() => graph.close());
  const vault = vaultFiles({ root: config.vault.root, tiers: config.vault.tierFolders });
  const metrics = await metricsOf(config);
  onStop(() => metrics.close());

  const observer = natsBreakerEvents({ publisher, source: identity.source, clock: systemClock, log }, metrics.dependencies);
  const makers = await activityMakers(connection, observer, log, onStop);

  const activities = activitiesByJobType({ vault, graph, prefix: config.vault.markerPrefix, clock: systemClock.now, ...makers });
  const deadLetters = natsDeadLetters(publisher);
  const commands = natsCommandSender(publisher, manager);
  const runs = natsRunLog(publisher, manager);
  const announcer = natsAnnouncer(connection);
  const server = { connection, manager, publisher };
  const scheduling = schedulingOn(server, { runs, commands, deadLetters, announcer, identity, log }, config);
  const host = new Host({
    desks: scheduling.desks,
    jobTypes: jobTypes.map((jobType) => runnable(jobType, activities[jobType.id] ?? {})),
    leases: natsLeases(connection, manager, log, { leaseMs: config.nats.leaseMs }),
    runs,
    history: natsRunHistory(connection, manager),
    commands,
    news: natsRunNews(connection),
    deadLetters,
    refusals: natsRefusals(connection, manager),
    alerts: natsAlerts({ publisher, manager, clock: systemClock, source: identity.source }),
    rates: natsRateLimiter(publisher, manager),
    announcer,
    clock: systemClock,
    identity,
    observer: metrics.observer,
    log,
    policyDefaults: config.policyDefaults,
    maxRuns: config.maxRuns,
  });
  await host.start();
  onStop(() => stopHost(host, publisher));

  await scheduling.start(onStop);
  const known = new Map(jobTypes.map((jobType) => [jobType.id, [...laneLimits(jobType).keys()]]));
  onStop(sweepRegularly(() => sweepStrays(manager, withParentsTold(deadLetters, commands), log, systemClock, known), log));

  return {
    natsUrl: withoutCredentials(natsUrl),
    natsVersion,
    embedded: embedded !== undefined,
    metricsUrl: metrics.url,
    schedules: scheduling.states(),
    operations: operationsOn(server),
    failed,
    stop,
  };
}

export interface Client extends ScheduleClient {
  readonly operations: Operations;
  readonly control: RunControl;
  readonly deadLetters: DeadLetterOperations;
  close(): Promise<void>;
}

/**
 * @throws {NotRunningError} No NATS_URL is set and no embedded server runs on the data folder.
 * @throws {NeverStartedError} No Almanac has ever run on that server.
 */
export async function openClient(config: Config): Promise<Client> {
  const url = config.nats.url ?? (await discoverServer(config.dataDir))?.url;
  if (url === undefined) throw new NotRunningError(config.dataDir);
  const { connection, manager } = await connect({ url, name: 'almanac-cli', credentials: config.nats.credentials });
  if (!(await streamsExist(manager))) {
    await disconnect(connection);
    throw new NeverStartedError(url);
  }
  const publisher = new Publisher(connection);
  const server = { connection, manager, publisher };
  const { source } = processIdentity();
  return {
    operations: operationsOn(server),
    control: controlOn(server),
    deadLetters: new DeadLetterOperations(natsDeadLetterBox({ ...server, source }), systemClock),
    ...schedulesOn(server, config),
    async close() {
      publisher.close();
      await disconnect(connection);
    },
  };
}

const operationsOn = ({ connection, manager, publisher }: Server) =>
  new Operations({
    jobTypes,
    history: natsRunHistory(connection, manager),
    alerts: natsAlertHistory(connection, manager),
    commands: natsCommandSender(publisher, manager),
    replies: natsReplyBox(connection),
  });

/** The libraries are loaded here, because commands that only ask need none of them. */
async function activityMakers(
  connection: NatsConnection,
  observer: DependencyObserver,
  log: Log,
  onStop: (close: () => unknown) => void,
): Promise<ActivityMakers> {
  const { dependencies, dependency } = await import('./adapters/resilience/dependency.ts');
  const { ThreadPool, threadActivity } = await import('./adapters/system/thread-activity.ts');
  const pool = new ThreadPool({ log });
  onStop(() => pool.close());
  const workersOf = dependencies({}, observer, systemClock);
  return {
    remote: (options = {}) =>
      guarded((context) => workersOf(options.subject ?? activitySubject(context)), remoteActivity(connection, systemClock, options)),
    thread: (file, exportName) => threadActivity(file, exportName, { pool }),
    dependency: (name, limits = {}) => dependency(name, limits, observer, systemClock),
    guarded,
  };
}

const controlOn = ({ connection, manager, publisher }: Server) =>
  new RunControl({
    jobTypes,
    runs: natsRunLog(publisher, manager),
    history: natsRunHistory(connection, manager),
    queue: queuedStarts({ connection, manager }),
    commands: natsCommandSender(publisher, manager),
    replies: natsReplyBox(connection),
    clock: systemClock,
  });

/**
 * A second instance on the machine takes another port rather than fail over its metrics. Loaded here, because OpenTelemetry takes longer
 * to load than everything else together, and commands that only ask need none of it.
 */
async function metricsOf({ metrics }: Config): Promise<Metrics> {
  if (!metrics.enabled) return noMetrics;
  const { openMetrics } = await import('./adapters/telemetry/metrics.ts');
  return openMetrics(metrics.host, await freePort(metrics.port));
}

/** One sweep at a time; a failing one is tried again at the next turn. Returns the way to stop. */
function sweepRegularly(sweep: () => Promise<number>, log: Log): () => Promise<void> {
  let current: Promise<unknown> = Promise.resolve();
  const timer = setInterval(() => {
    current = current.then(sweep).catch((error: unknown) => log.warn({ err: error }, 'looking for stray commands failed; trying again'));
  }, SWEEP_EVERY_MS);
  return async () => {
    clearInterval(timer);
    await current;
  };
}

/** What holds a run may wait for the answer of a server that is away. After a while nobody waits any more: the next holder reads back. */
async function stopHost(host: Host, publisher: Publisher): Promise<void> {
  const timer = setTimeout(() => publisher.close(), ANSWERS_WITHIN_MS);
  await host.stop();
  clearTimeout(timer);
}

function once(action: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  return () => {
    running ??= action();
    return running;
  };
}
