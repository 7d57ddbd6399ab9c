/** The composition root of schedules: what a process that runs them is put together of, and what asks about them. Called by `app.ts`. */
import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { jobTypes } from '../machines/index.ts';
import { NIGHT } from '../machines/nightly.machine.ts';
import { natsCommandSender } from './adapters/nats/command-sender.ts';
import { natsLaidAsideRuns } from './adapters/nats/laid-aside-runs.ts';
import type { Publisher } from './adapters/nats/publisher.ts';
import { natsQueuedRuns } from './adapters/nats/queued-starts.ts';
import { natsReplyBox } from './adapters/nats/reply-box.ts';
import { natsRunHistory } from './adapters/nats/run-history.ts';
import { natsRunLog } from './adapters/nats/run-log.ts';
import { natsScheduleLog } from './adapters/nats/schedule-log.ts';
import { natsStandstillLog } from './adapters/nats/standstill-log.ts';
import { findClarifaiConfig } from './adapters/system/clarifai-config.ts';
import { systemClock } from './adapters/system/clock.ts';
import { PauseFile } from './adapters/system/pause-file.ts';
import type { Config } from './config.ts';
import { type JobTypeId, jobTypeId, scheduleId } from './domain/ids.ts';
import { type Lane, laneLimits } from './domain/job-type.ts';
import { fromApscheduler } from './domain/schedule/apscheduler-cron.ts';
import { clarifaiJobs } from './domain/schedule/clarifai-jobs.ts';
import type { ScheduleState } from './domain/schedule/schedule.ts';
import { ControlDesk } from './runtime/control-desk.ts';
import { type DeclaredSchedule, declareSchedules } from './runtime/declared-schedules.ts';
import type { HostOptions } from './runtime/host.ts';
import { arrangeNight } from './runtime/nightly-schedules.ts';
import type { Announcer, CommandSender, DeadLetters, Identity, Log, RunLog } from './runtime/ports.ts';
import { RunEnds } from './runtime/run-ends.ts';
import { ScheduleBook } from './runtime/schedule-book.ts';
import { ScheduleDesk } from './runtime/schedule-desk.ts';
import { ScheduleInspection } from './runtime/schedule-inspection.ts';
import { ScheduleOperations } from './runtime/schedule-operations.ts';
import { ScheduleWriter } from './runtime/schedule-writer.ts';
import { Scheduler } from './runtime/scheduler.ts';
import { StandstillKeeper } from './runtime/standstill-keeper.ts';
import { StandstillOperations } from './runtime/standstill-operations.ts';

/** A server, as it is spoken to. */
export interface Server {
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  readonly publisher: Publisher;
}
export interface SchedulingParts {
  readonly runs: RunLog;
  readonly commands: CommandSender;
  readonly deadLetters: DeadLetters;
  readonly announcer: Announcer;
  readonly identity: Identity;
  readonly log: Log;
}
export interface Scheduling {
  /** Where the host brings commands for schedules. */
  readonly desks: NonNullable<HostOptions['desks']>;
  /** Resolves when all schedules are armed, those among them that the code declares. */
  start(onStop: (close: () => unknown) => void): Promise<void>;
  /** Those that were deleted are left out. */
  states(): ScheduleState[];
}

export function schedulingOn({ connection, manager, publisher }: Server, parts: SchedulingParts, config: Config): Scheduling {
  const { runs, commands, deadLetters, announcer, identity, log } = parts;
  const { timeZone } = config;
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
  const ends = new RunEnds({ runs, queued: natsQueuedRuns({ connection, manager }), laidAside: natsLaidAsideRuns(connection, manager) });
  const writer = new ScheduleWriter({ book, schedules, ends, commands, clock: systemClock, identity, log, suspensions });
  const scheduler = new Scheduler({ book, writer, schedules, clock: systemClock, log, standsStill: () => keeper.state.now !== undefined });
  return {
    desks: {
      schedule: new ScheduleDesk({ schedules, writer, timeZone, lanesOf, deadLetters, announcer, log }),
      control: new ControlDesk({ keeper, deadLetters, announcer, log }),
    },
    async start(onStop) {
      await keeper.start();
      onStop(() => keeper.stop());
      await scheduler.start();
      onStop(() => scheduler.stop());
      await declareSchedules(await declaredSchedules(config, book, log), { book, writer, timeZone });
    },
    states: () => [...book.all()].map(({ state }) => state).filter(({ status }) => status !== 'deleted'),
  };
}

/** What programs that only ask are given. */
export interface ScheduleClient {
  readonly schedules: ScheduleOperations;
  readonly allSchedules: StandstillOperations;
  readonly inspection: ScheduleInspection;
}

export function schedulesOn({ connection, manager, publisher }: Server, { timeZone }: Config): ScheduleClient {
  const parts = {
    jobTypes,
    schedules: natsScheduleLog(connection, publisher, manager),
    standstills: natsStandstillLog(connection, publisher, manager),
    runs: natsRunLog(publisher, manager),
    history: natsRunHistory(connection, manager),
    clock: systemClock,
  };
  const sending = { commands: natsCommandSender(publisher, manager), replies: natsReplyBox(connection) };
  const schedules = new ScheduleOperations({ ...parts, ...sending, timeZone });
  return {
    schedules,
    allSchedules: new StandstillOperations({ ...parts, ...sending }),
    inspection: new ScheduleInspection({ ...parts, operations: schedules }),
  };
}

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
