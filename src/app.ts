/** The composition root: one start, one stop. Everything is put together here and nowhere else. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import pino from 'pino';
import { jobTypes } from '../machines/index.ts';
import { NIGHT } from '../machines/nightly.machine.ts';
import { activitiesByJobType } from './activities/index.ts';
import { natsAlertHistory, natsAlerts } from './adapters/nats/alerts.ts';
import { natsAnnouncer, natsRunNews } from './adapters/nats/announcer.ts';
import { natsBreakerEvents } from './adapters/nats/breaker-events.ts';
import { natsCommandSender } from './adapters/nats/command-sender.ts';
import { connect, disconnect } from './adapters/nats/connection.ts';
import { natsDeadLetterBox } from './adapters/nats/dead-letter-box.ts';
import { natsDeadLetters } from './adapters/nats/dead-letters.ts';
import { declareStreams, streamsExist } from './adapters/nats/declare-streams.ts';
import { natsLaidAsideRuns } from './adapters/nats/laid-aside-runs.ts';
import { natsLeases } from './adapters/nats/leases.ts';
import { Publisher } from './adapters/nats/publisher.ts';
import { natsQueuedRuns, queuedStarts } from './adapters/nats/queued-starts.ts';
import { natsRateLimiter } from './adapters/nats/rate-limiter.ts';
import { natsRefusals } from './adapters/nats/refusals.ts';
import { activitySubject, remoteActivity } from './adapters/nats/remote-activity.ts';
import { natsReplyBox } from './adapters/nats/reply-box.ts';
import { natsRunHistory } from './adapters/nats/run-history.ts';
import { natsRunLog } from './adapters/nats/run-log.ts';
import { natsScheduleLog } from './adapters/nats/schedule-log.ts';
import { natsStandstillLog } from './adapters/nats/standstill-log.ts';
import { SWEEP_EVERY_MS, sweepStrays } from './adapters/nats/strays.ts';
import { guarded } from './adapters/resilience/guarded.ts';
import { sqliteGraph } from './adapters/sqlite/graph.ts';
import { findClarifaiConfig } from './adapters/system/clarifai-config.ts';
import { systemClock } from './adapters/system/clock.ts';
import { freePort } from './adapters/system/free-port.ts';
import { processIdentity } from './adapters/system/identity.ts';
import { openEmbeddedServer } from './adapters/system/nats-server/embedded-server.ts';
import { discoverServer } from './adapters/system/nats-server/server-record.ts';
import { assertSupportedVersion } from './adapters/system/nats-server/versions.ts';
import { PauseFile } from './adapters/system/pause-file.ts';
import { vaultFiles } from './adapters/system/vault-files.ts';
import type { Metrics } from './adapters/telemetry/metrics.ts';
import { noMetrics } from './adapters/telemetry/no-metrics.ts';
import type { Config } from './config.ts';
import { NeverStartedError, NotRunningError, withoutCredentials } from './domain/errors.ts';
import { type JobTypeId, jobTypeId, scheduleId } from './domain/ids.ts';
import { type Lane, laneLimits } from './domain/job-type.ts';
import { fromApscheduler } from './domain/schedule/apscheduler-cron.ts';
import { clarifaiJobs } from './domain/schedule/clarifai-jobs.ts';
import type { ScheduleState } from './domain/schedule/schedule.ts';
import type { ActivityMakers } from './runtime/activity-makers.ts';
import { ControlDesk } from './runtime/control-desk.ts';
import { DeadLetterOperations } from './runtime/dead-letter-operations.ts';
import { type DeclaredSchedule, declareSchedules } from './runtime/declared-schedules.ts';
import { withParentsTold } from './runtime/handover.ts';
import { Host } from './runtime/host.ts';
import { runnable } from './runtime/job-types.ts';
import { arrangeNight } from './runtime/nightly-schedules.ts';
import { Operations } from './runtime/operations.ts';
import type { DependencyObserver, Log } from './runtime/ports.ts';
import { RunControl } from './runtime/run-control.ts';
import { RunEnds } from './runtime/run-ends.ts';
import { ScheduleBook } from './runtime/schedule-book.ts';
import { ScheduleDesk } from './runtime/schedule-desk.ts';
import { ScheduleInspection } from './runtime/schedule-inspection.ts';
import { ScheduleOperations } from './runtime/schedule-operations.ts';
import { ScheduleWriter } from './runtime/schedule-writer.ts';
import { Scheduler } from './runtime/scheduler.ts';
import { StandstillKeeper } from './runtime/standstill-keeper.ts';

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
  const schedules = natsScheduleLog(connection, publisher, manager);
  const book = new ScheduleBook(log);
  const keeper = new StandstillKeeper({
    standstills: natsStandstillLog(connection, publisher, manager),
    clock: systemClock,
    identity,
    log,
    pauseSource: new PauseFile({ vaultRoot: config.vault.root, automationPause: config.automationPause }),
    onChange: () => scheduler.armAll(),
  });
  const suspensions = async () => {
    await keeper.check();
    return keeper.suspensions();
  };
  const ends = new RunEnds({ runs, queued: natsQueuedRuns(manager), laidAside: natsLaidAsideRuns(connection, manager) });
  const writer = new ScheduleWriter({ book, schedules, ends, commands, clock: systemClock, identity, log, suspensions });
  const scheduler = new Scheduler({ book, writer, schedules, clock: systemClock, log, standsStill: () => keeper.state.now !== undefined });
  const host = new Host({
    desks: {
      schedule: new ScheduleDesk({ schedules, writer, timeZone: config.timeZone, lanesOf, deadLetters, announcer, log }),
      control: new ControlDesk({ keeper, deadLetters, announcer, log }),
    },
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

  await keeper.start();
  onStop(() => keeper.stop());
  await scheduler.start();
  onStop(() => scheduler.stop());
  await declareSchedules(await declaredSchedules(config, book, log), { book, writer, timeZone: config.timeZone });
  const known = new Map(jobTypes.map((jobType) => [jobType.id, [...laneLimits(jobType).keys()]]));
  onStop(sweepRegularly(() => sweepStrays(manager, withParentsTold(deadLetters, commands), log, known), log));

  return {
    natsUrl: withoutCredentials(natsUrl),
    natsVersion,
    embedded: embedded !== undefined,
    metricsUrl: metrics.url,
    schedules: [...book.all()].map(({ state }) => state).filter(({ status }) => status !== 'deleted'),
    operations: operationsOn(connection, manager, publisher),
    failed,
    stop,
  };
}

export interface Client {
  readonly operations: Operations;
  readonly control: RunControl;
  readonly deadLetters: DeadLetterOperations;
  readonly schedules: ScheduleOperations;
  readonly inspection: ScheduleInspection;
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
  const { source } = processIdentity();
  return {
    operations: operationsOn(connection, manager, publisher),
    control: controlOn(connection, manager, publisher),
    deadLetters: new DeadLetterOperations(natsDeadLetterBox({ connection, manager, publisher, source }), systemClock),
    ...schedulesOn(connection, manager, publisher, config),
    async close() {
      publisher.close();
      await disconnect(connection);
    },
  };
}

const operationsOn = (connection: NatsConnection, manager: JetStreamManager, publisher: Publisher) =>
  new Operations({
    jobTypes,
    history: natsRunHistory(connection, manager),
    alerts: natsAlertHistory(connection, manager),
    commands: natsCommandSender(publisher, manager),
    replies: natsReplyBox(connection),
  });

function schedulesOn(connection: NatsConnection, manager: JetStreamManager, publisher: Publisher, { timeZone }: Config) {
  const parts = {
    schedules: natsScheduleLog(connection, publisher, manager),
    runs: natsRunLog(publisher, manager),
    history: natsRunHistory(connection, manager),
    clock: systemClock,
  };
  const commands = natsCommandSender(publisher, manager);
  const schedules = new ScheduleOperations({ ...parts, jobTypes, commands, replies: natsReplyBox(connection), timeZone });
  return { schedules, inspection: new ScheduleInspection({ ...parts, operations: schedules }) };
}

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
const controlOn = (connection: NatsConnection, manager: JetStreamManager, publisher: Publisher) =>
  new RunControl({
    jobTypes,
    runs: natsRunLog(publisher, manager),
    history: natsRunHistory(connection, manager),
    queue: queuedStarts(manager),
    commands: natsCommandSender(publisher, manager),
    replies: natsReplyBox(connection),
    clock: systemClock,
  });

/** Next to each statechart, unless the environment or the config file of the ClarifAI services says otherwise. */
async function declaredSchedules(
  { schedules, nightly, clarifaiConfig, environment }: Config,
  book: ScheduleBook,
  log: Log,
): Promise<readonly DeclaredSchedule[]> {
  const file = await findClarifaiConfig({ ...clarifaiConfig, workingDirectory: process.cwd() });
  const { jobs, warnings } = clarifaiJobs({ file: file?.settings, environment, translate: fromApscheduler });
  const unknown = jobs.filter(({ jobType }) => !jobTypes.some(({ id }) => id === jobType)).map(({ jobType }) => jobType);
  if (unknown.length > 0)
    log.warn({ file: file?.path, jobs: unknown }, 'these jobs of the ClarifAI config are not known here and do not run');
  for (const warning of [...(file?.warnings ?? []), ...warnings, ...jobs.flatMap((job) => job.warnings)])
    log.warn({ file: file?.path }, warning);
  const declared = jobTypes.flatMap(({ id, cron }): DeclaredSchedule[] => {
    const { enabled = true, cron: configured } = schedules[id] ?? {};
    const job = jobs.find(({ jobType }) => jobType === id);
    const pattern = configured ?? job?.cron ?? cron;
    if (pattern === undefined) return [];
    const description = job?.description;
    const spec = { jobType: jobTypeId(id), timing: { cron: pattern }, ...(description && { description }) };
    const variable = `${id.toUpperCase().replaceAll('-', '_')}_ENABLED`;
    const off = enabled ? job && (!job.enabled || job.manualOnly) && job.decidedBy : `${variable} is not true`;
    return [{ id: scheduleId(id), spec, ...(off && { off }) }];
  });
  const before = book.get(scheduleId('nightly'))?.state;
  const warn = (text: string) => log.warn({}, text);
  return arrangeNight(declared, { arrangement: nightly, chain: 'nightly', jobs: NIGHT, before, warn });
}

function lanesOf(id: JobTypeId): ReadonlySet<Lane> {
  const jobType = jobTypes.find((known) => known.id === id);
  return new Set(jobType === undefined ? [] : laneLimits(jobType).keys());
}

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
