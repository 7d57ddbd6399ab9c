/** What a schedule says that does not go together. It may be meant: a reason to warn, not to refuse. */
import { cronCalendar } from './cron-calendar.ts';
import type { ScheduleSpec } from './schedule.ts';

export function contradictions({ timing, catchUp, overlap, pauseAfterFailures }: ScheduleSpec): string[] {
  const { trigger, jitterMs } = timing;
  const found: string[] = [];
  const say = (when: boolean, text: string) => when && found.push(text);
  const gapMs =
    trigger.kind === 'interval' ? trigger.everyMs : trigger.kind === 'cron' ? cronCalendar(trigger.cron).shortestGapMs : undefined;
  say(
    catchUp.policy === 'all' && overlap === 'skip',
    `catch-up all with overlap skip: of several that are caught up, each that comes while the one before it runs is skipped; buffer-all keeps them`,
  );
  say(
    catchUp.policy === 'all' && overlap === 'cancel-other',
    'catch-up all with overlap cancel-other: what is caught up is cancelled by the next one, one after the other; buffer-all lets each end',
  );
  say(
    catchUp.policy === 'all' && overlap === 'allow-all' && catchUp.dripMs === 0,
    'catch-up all with overlap allow-all and no drip: after an outage all of them start at once',
  );
  say(
    catchUp.policy === 'all' && catchUp.cap === 1,
    'catch-up all with a cap of 1: only the latest one is caught up, as with catch-up latest, and the older ones are missed',
  );
  say(
    catchUp.policy === 'all' && gapMs !== undefined && gapMs > catchUp.windowMs,
    `catch-up all with a window of ${catchUp.windowMs / 1_000} s, shorter than the ${(gapMs ?? 0) / 1_000} s between two occurrences: at most one is caught up; choose a longer window`,
  );
  say(
    catchUp.policy !== 'none' && catchUp.windowMs <= 1_000,
    `catch-up ${catchUp.policy} with a window of ${catchUp.windowMs} ms: nothing is ever caught up; choose a longer window`,
  );
  say(
    catchUp.policy === 'none' && trigger.kind === 'once',
    'catch-up none for a run at one time: if no process is there at that moment, it never starts',
  );
  say(
    overlap === 'cancel-other' && pauseAfterFailures > 0,
    'pausing after failures with overlap cancel-other: a run that the next one cancels counts as one that ended badly',
  );
  say(trigger.kind === 'once' && pauseAfterFailures > 0, 'pausing after failures means nothing for a schedule that starts one run');
  say(trigger.kind !== 'cron' && trigger.kind !== 'interval' && jitterMs > 0, 'jitter for a run at one time only makes it late');
  return found;
}
