/** A forecast in words: what is a risk, and what is good to know. */
import type { Instant, ScheduleId } from '../ids.ts';
import type { ClockEffect } from './clock-changes.ts';
import type { Forecast } from './forecast.ts';
import { standstillText } from './standstill.ts';

export interface Finding {
  readonly rule:
    | 'overlap'
    | 'pauses-itself'
    | 'same-job'
    | 'collision'
    | 'clock-change'
    | 'unmeasured'
    | 'standstill'
    | 'paused'
    | 'cut-short';
  /** Worth a failed check. */
  readonly risk: boolean;
  readonly schedules: readonly ScheduleId[];
  readonly count: number;
  readonly first: Instant;
  readonly text: string;
}

const EFFECT_TEXTS: Readonly<Record<ClockEffect, string>> = {
  moved: 'is moved to the end of the gap',
  'gap-skipped': 'is left out',
  first: 'runs at the first of two readings',
  second: 'runs at the second of two readings',
  'repeat-skipped': 'is left out at the other reading',
};
const POLICY_TEXTS: Readonly<Record<string, string>> = {
  skip: 'they are skipped',
  'buffer-one': 'one waits, and the others are skipped',
  'buffer-all': 'they wait, and pile up',
  'cancel-other': 'the run that is on is cancelled',
};

/** Risks first. */
export function findingsOf({ standstill, schedules, collisions, meetings, overlaps, clockDays }: Forecast): Finding[] {
  const times = (count: number) => (count === 1 ? 'once' : `${count} times`);
  const found: Finding[] = [
    ...overlaps.map(({ schedule, policy, count, first }): Finding => {
      const text = `${times(count)} ${schedule} is due while its run before may not have ended: ${POLICY_TEXTS[policy]}`;
      return { rule: 'overlap', risk: true, schedules: [schedule], count, first, text };
    }),
    ...schedules.flatMap(({ state: { id, spec }, pausesAt }): Finding[] => {
      if (pausesAt === undefined) return [];
      const text = `${id} pauses itself: ${spec.pauseAfterFailures} of its runs in a row are cancelled by the next one`;
      return [{ rule: 'pauses-itself', risk: true, schedules: [id], count: 1, first: pausesAt, text }];
    }),
    ...meetings.map(({ jobType, schedules: ids, count, first }): Finding => {
      const text = `${times(count)} ${ids.join(' and ')} have runs of ${jobType} on at the same time`;
      return { rule: 'same-job', risk: true, schedules: ids, count, first, text };
    }),
    ...collisions.map(({ schedules: ids, count, first }): Finding => {
      return {
        rule: 'collision',
        risk: true,
        schedules: ids,
        count,
        first,
        text: `${times(count)} ${ids.join(', ')} start in the same minute`,
      };
    }),
    ...clockDays.flatMap(({ timeZone, change, affected }) =>
      affected.map(({ schedule, effect, count, first }): Finding => {
        const text = `in ${timeZone} ${change}: ${schedule} ${EFFECT_TEXTS[effect]}${count === 1 ? '' : ` (${count} occurrences)`}`;
        return { rule: 'clock-change', risk: isRisk(effect, affected, schedule), schedules: [schedule], count, first, text };
      }),
    ),
  ];
  if (standstill !== undefined && schedules.length > 0) {
    const { since, cause, actor, note } = standstill;
    const told = standstillText({ since: new Date(since).toISOString(), cause, by: actor?.who, note });
    const ids = schedules.map(({ state }) => state.id);
    found.push({
      rule: 'standstill',
      risk: false,
      schedules: ids,
      count: ids.length,
      first: since,
      text: `${told}; until then none starts anything`,
    });
  }
  for (const { state, playedUntil, isCutShort, starts } of schedules) {
    const note = (rule: Finding['rule'], text: string) =>
      found.push({ rule, risk: false, schedules: [state.id], count: 1, first: playedUntil, text });
    if (state.status === 'paused') note('paused', `${state.id} is paused: it starts nothing`);
    if (starts.length > 0 && starts[0]!.startsAt === starts[0]!.endsAt) {
      note('unmeasured', `how long runs of ${state.spec.jobType} last is not known: ${state.id} is taken to start runs that end at once`);
    }
    if (isCutShort) {
      note('cut-short', `of ${state.id} only the first ${starts.length} starts were looked at: there are too many occurrences`);
    }
  }
  return found.sort((a, b) => Number(b.risk) - Number(a.risk));
}

/** A single one of two readings is the ordinary way out; both, or none, or another time, is not. */
function isRisk(effect: ClockEffect, affected: Forecast['clockDays'][number]['affected'], schedule: ScheduleId): boolean {
  if (effect === 'moved' || effect === 'gap-skipped') return true;
  return effect !== 'repeat-skipped' && !affected.some((other) => other.schedule === schedule && other.effect === 'repeat-skipped');
}
