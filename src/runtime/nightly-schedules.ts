/** The jobs of the night: each by a schedule of its own, or all by that of the job type which runs them one after the other. */
import { scheduleId } from '../domain/ids.ts';
import type { ScheduleState } from '../domain/schedule/schedule.ts';
import type { DeclaredSchedule } from './declared-schedules.ts';

export interface Night {
  readonly arrangement: 'staggered' | 'chained';
  /** Id of the job type that runs the others, and of its schedule. */
  readonly chain: string;
  /** Job types of the night, in their order. */
  readonly jobs: readonly string[];
  /** What has become of the chain's schedule so far. */
  readonly before: Pick<ScheduleState, 'owner' | 'status'> | undefined;
  /** Told why the night is not arranged as it should be. */
  readonly warn: (text: string) => void;
}

/** @param declared As if there were both ways. */
export function arrangeNight(declared: readonly DeclaredSchedule[], night: Night): readonly DeclaredSchedule[] {
  const { arrangement, chain, jobs, before, warn } = night;
  const isChain = ({ id }: DeclaredSchedule) => id === scheduleId(chain);
  const withoutChain = declared.filter((schedule) => !isChain(schedule));
  const isPersons = before?.owner === 'operator';
  if (isPersons && before.status === 'deleted') {
    if (arrangement === 'chained')
      warn(`NIGHTLY is chained, but schedule ${chain} was deleted: each job of the night has its own times until it is created again`);
    return withoutChain;
  }
  if (arrangement === 'staggered')
    return isPersons ? declared.map((each) => (isChain(each) ? { ...each, off: 'NIGHTLY is staggered' } : each)) : withoutChain;
  const isOn = (job: string) => declared.some(({ id, off }) => id === scheduleId(job) && off === undefined);
  const tonight = jobs.filter(isOn); // what is switched off is not run by the chain either
  return declared.map((schedule): DeclaredSchedule => {
    const { id, spec, off } = schedule;
    if (isChain(schedule)) {
      const nothing = tonight.length === 0 && 'none of its jobs is switched on';
      return { ...schedule, spec: { ...spec, input: { jobs: tonight } }, ...(!off && nothing && { off: nothing }) };
    }
    return !off && tonight.includes(id)
      ? { ...schedule, off: `NIGHTLY is chained: ${chain} runs it, at none of the times it has here` }
      : schedule;
  });
}
