import type { Timing } from './timing.ts';

/** For people, in a line: `cron 0 3 * * * Europe/Berlin`. */
export function timingText({ trigger, timeZone, jitterMs, startAt, endAt, exclusions }: Timing): string {
  const iso = (at: number) => new Date(at).toISOString();
  const more = [
    ...(startAt === undefined ? [] : [`from ${iso(startAt)}`]),
    ...(endAt === undefined ? [] : [`until ${iso(endAt)}`]),
    ...(exclusions.length === 0 ? [] : [`not on ${exclusions.length > 3 ? `${exclusions.length} excluded days` : exclusions.join(', ')}`]),
    ...(jitterMs === 0 ? [] : [`jitter up to ${jitterMs / 1_000} s`]),
  ].map((text) => `, ${text}`);
  switch (trigger.kind) {
    case 'cron':
      return `cron ${trigger.cron} ${timeZone}${more.join('')}`;
    case 'interval':
      return `every ${trigger.everyMs / 1_000} s${more.join('')}`;
    case 'once':
      return `once at ${iso(trigger.at)}${more.join('')}`;
  }
}
