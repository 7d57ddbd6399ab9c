import { expect, it } from 'vitest';
import { natsRunHistory } from '../../src/adapters/nats/run-history.ts';
import { systemClock } from '../../src/adapters/system/clock.ts';
import { instant, jobTypeId } from '../../src/domain/ids.ts';
import { runDurations } from '../../src/runtime/run-durations.ts';
import { hostOn } from '../support/host-on.ts';
import { stepsJob } from '../support/jobs.ts';
import { useNatsServer } from '../support/nats-server.ts';

const server = useNatsServer();

it('how long runs last is read from the log, of those that have ended lately', async () => {
  const job = stepsJob('measured', ['only'], async () => 'done');
  await using host = await hostOn(server, [job]);
  const { connection, manager } = host;
  const history = natsRunHistory(connection, manager);
  const measured = (now: number) => runDurations(history, jobTypeId('measured'), instant(now));
  expect(await measured(systemClock.now())).toBeUndefined();
  for (const id of ['a', 'b', 'c']) {
    await host.start(job, id);
    await host.followTo(job, id, () => {});
  }
  const durations = await measured(systemClock.now());
  expect(durations).toMatchObject({ runs: 3 });
  const all = (await host.historyOf(job)).filter(({ event }) => event.data.outcome !== undefined);
  const real = all.map(({ event }) => Date.parse(event.time) - Date.parse(event.data.startedAt)).sort((a, b) => a - b);
  expect(durations).toMatchObject({ medianMs: real[1], p95Ms: real[2] });
  expect(await measured(systemClock.now() + 31 * 86_400_000)).toBeUndefined();
});
