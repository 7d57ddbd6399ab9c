import { natsAlertHistory } from '../../src/adapters/nats/alerts.ts';
import { natsReplyBox } from '../../src/adapters/nats/reply-box.ts';
import { natsRunHistory } from '../../src/adapters/nats/run-history.ts';
import { Operations } from '../../src/runtime/operations.ts';
import type { Client } from './host-on.ts';
import type { TestJob } from './jobs.ts';

/** What the CLI asks, of a process that has these job types. */
export const operationsOn = ({ connection, manager, commands }: Client, jobs: readonly TestJob[]): Operations =>
  new Operations({
    jobTypes: jobs.map(({ jobType }) => jobType),
    history: natsRunHistory(connection, manager),
    alerts: natsAlertHistory(connection, manager),
    commands,
    replies: natsReplyBox(connection),
  });
