/** The jobs of the night: each by a schedule of its own, or all by that of the job type which runs them one after the other. */
import { scheduleId } from '../domain/ids.ts';
import type { DeclaredSchedule } from './declared-schedules.ts';

export interface Night {
  readonly arrangement: 'staggered' | 'chained';
  /** Id of the job type that runs the others, and of its schedule. */
  readonly chain: string;
  /** Job types of the night, in their order. */
  readonly jobs: readonly string[];
}

/** @param declared As if there were both ways. */
export function arrangeNight(declared: readonly DeclaredSchedule[], { arrangement, chain, jobs }: Night): readonly DeclaredSchedule[] {
  if (arrangement === 'staggered') return declared.filter(({ id }) => id !== scheduleId(chain));
  const isOn = (job: string) => declared.some(({ id, off }) => id === scheduleId(job) && off === undefined);
  const tonight = jobs.filter(isOn); // what is switched off is not run by the chain either
  return declared.map((schedule): DeclaredSchedule => {
    const { id, spec, off } = schedule;
    if (id === scheduleId(chain)) {
      const nothing = tonight.length === 0 && 'none of its jobs is switched on';
      return { ...schedule, spec: { ...spec, input: { jobs: tonight } }, ...(!off && nothing && { off: nothing }) };
    }
    return !off && tonight.includes(id)
      ? { ...schedule, off: `NIGHTLY is chained: ${chain} runs it, at none of the times it has here` }
      : schedule;
  });
}
