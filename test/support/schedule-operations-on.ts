import { natsReplyBox } from '../../src/adapters/nats/reply-box.ts';
import { natsRunHistory } from '../../src/adapters/nats/run-history.ts';
import { natsRunLog } from '../../src/adapters/nats/run-log.ts';
import { natsScheduleLog } from '../../src/adapters/nats/schedule-log.ts';
import { natsStandstillLog } from '../../src/adapters/nats/standstill-log.ts';
import type { Clock } from '../../src/runtime/ports.ts';
import { ScheduleInspection } from '../../src/runtime/schedule-inspection.ts';
import { ScheduleOperations } from '../../src/runtime/schedule-operations.ts';
import { StandstillOperations } from '../../src/runtime/standstill-operations.ts';
import type { Client } from './host-on.ts';
import type { TestJob } from './jobs.ts';

/** What the CLI asks, of a process that has these job types. */
export function scheduleOperationsOn({ connection, manager, publisher, commands }: Client, jobs: readonly TestJob[], clock: Clock) {
  const parts = {
    jobTypes: jobs.map(({ jobType }) => jobType),
    standstills: natsStandstillLog(connection, publisher, manager),
    schedules: natsScheduleLog(connection, publisher, manager),
    runs: natsRunLog(publisher, manager),
    history: natsRunHistory(connection, manager),
    clock,
  };
  const sending = { commands, replies: natsReplyBox(connection) };
  const operations = new ScheduleOperations({ ...parts, ...sending, timeZone: 'UTC' });
  return {
    operations,
    allSchedules: new StandstillOperations({ ...parts, ...sending }),
    inspection: new ScheduleInspection({ ...parts, operations }),
  };
}
