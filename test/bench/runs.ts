/** Whole runs through the product: lease, start, append, activity, append, acknowledge. */
import { jobTypeId, runId } from '../../src/domain/ids.ts';
import type { JobType } from '../../src/domain/job-type.ts';
import { benchHost } from './bench-host.ts';
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
  const { promise: finished, resolve } = Promise.withResolvers<void>();
  let ended = 0;
  const observer = { started() {}, heldBack() {}, ended: () => void (++ended === runs && resolve()) };
  const { commands, connection, host, close } = await benchHost(url, jobType, noOpActivities, { observer, maxRuns: slots });
  const batch = Date.now().toString(36);
  const sent = Array.from({ length: runs }, (_, n) =>
    commands.start({ jobType: jobTypeId(jobType.id), runId: runId(`b${batch}-${n}`), input: {} }),
  );
  await Promise.all(sent);
  const figure = await around(() =>
    measure(async () => {
      await host.start();
      await finished;
      await connection.flush();
      return runs;
    }, serverPid),
  );
  await close();
  return figure;
}
