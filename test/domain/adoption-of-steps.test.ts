import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Adoption } from '../../src/domain/adoption.ts';
import { type DefinedJob, defineJob } from '../../src/domain/define-job.ts';
import { activityFailed, timerFired } from '../../src/domain/statechart/fold.ts';
import type { Json } from '../../src/domain/statechart/json.ts';
import { type Config, issuesOf, runOn, snapshotAfter } from '../support/adoptions.ts';

describe('a job made of steps', () => {
  const step = { output: z.null(), run: async () => null };
  const job = () => defineJob({ id: 'job', summary: '', input: z.strictObject({}) });
  const machineOf = (defined: DefinedJob) => defined.jobType.machine;
  const old = machineOf(job().step('download', step).build());
  const now = machineOf(job().step('fetch', step).build());

  it('goes on in its step when steps are added behind it', () => {
    const downloading = runOn(old);
    const longer = machineOf(job().step('download', step).step('upload', step).build());
    expect(snapshotAfter(downloading, longer)).toEqual(downloading.snapshot);
  });

  it('goes on in a renamed step, between attempts and while it is paused, too', () => {
    const renamed: Partial<Adoption> = {
      states: { 'running.download': 'running.fetch' },
      activities: { download: 'fetch' },
      delays: { 'timeoutMs:download': 'timeoutMs:fetch', 'backoffMs:download': 'backoffMs:fetch' },
      context: (old) => ({ ...(old as Config), attempts: { fetch: (old as Config).attempts.download ?? 0 } }),
    };
    const executing = runOn(old);
    const { activities, context, value } = snapshotAfter(executing, now, renamed);
    const [visit] = Object.values(executing.snapshot.activities!).map((started) => started.visit);
    expect({ value, context, activities }).toMatchObject({
      value: { running: { fetch: 'executing' } },
      context: { attempts: { fetch: 1 } },
      activities: { fetch: { src: 'fetch', visit } },
    });
    const failed = activityFailed('download', visit!, { name: 'Error', message: 'no' });
    const backingOff = runOn(old, failed);
    expect(snapshotAfter(backingOff, now, renamed).value).toEqual({ running: { fetch: 'backingOff' } });
    const timer = Object.entries(backingOff.snapshot.timers!).find(([id]) => id.includes('backoffMs'))!;
    const paused = runOn(old, failed, { type: 'pause' }, timerFired(timer[0], timer[1].visit, timer[1]));
    expect(snapshotAfter(paused, now, renamed).value).toEqual({ running: { fetch: 'ready' } });
    const resumed = { ...renamed, context: (old: Json) => ({ ...(old as Config), pauseRequested: false }) };
    expect(issuesOf(paused, now, resumed)).toEqual([expect.stringMatching(/^running\.fetch\.ready: an eventless transition/)]);
  });
});
