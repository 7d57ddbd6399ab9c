/** Patterns of APScheduler 3, as the old service has them in its configuration (contracts §11), in the cron of this one. */
import { InvalidScheduleError } from '../errors.ts';

export interface Translation {
  readonly cron: string;
  /** A sentence for each place at which the same text would have meant something else. */
  readonly warnings: readonly string[];
}

const FIELDS = [
  { name: 'minute', max: 59 },
  { name: 'hour', max: 23 },
  { name: 'day', max: 31 },
  { name: 'month', max: 12 },
  { name: 'weekday', max: 6 },
] as const;
const STEPS_FROM = /^(\d+|\*)(?:-(\d+))?(?:\/(\d+))?$/;
const NAMES = /^([a-z]{3}(?:-[a-z]{3})?)(\/\d+)?$/i;

/**
 * The pattern with the same meaning: weekdays count from Sunday instead of Monday, both day fields must match (`+`), open steps end
 * somewhere. What the clocks do to it when they change is another matter: docs/schedules.md.
 * @throws {InvalidScheduleError} APScheduler would not take it either.
 */
export function fromApscheduler(pattern: string): Translation {
  const fields = pattern.trim().split(/\s+/);
  if (fields.length !== FIELDS.length) {
    throw new InvalidScheduleError(`${JSON.stringify(pattern)} has ${fields.length} fields, a crontab of APScheduler has five`);
  }
  const warnings: string[] = [];
  const [minute, hour, day, month, weekday] = FIELDS.map(({ name, max }, index) =>
    fields[index]!.split(',')
      .map((part) => translated(part, name, max, warnings))
      .join(','),
  ) as [string, string, string, string, string];
  const both = day !== '*' && weekday !== '*';
  if (both) {
    warnings.push(
      `day of month "${fields[2]}" and weekday "${fields[4]}" must both match in APScheduler, where cron takes either: the "+" keeps it so`,
    );
  }
  return { cron: `${minute} ${hour} ${day} ${month} ${both ? '+' : ''}${weekday}`, warnings };
}

function translated(part: string, name: (typeof FIELDS)[number]['name'], max: number, warnings: string[]): string {
  if (part === '*') return part;
  if (name === 'day' && part.toLowerCase() === 'last') return 'L';
  const [, names, ignoredStep] = ((name === 'month' || name === 'weekday') && NAMES.exec(part)) || [];
  if (names !== undefined) {
    if (ignoredStep !== undefined) warnings.push(`APScheduler ignores the step after names: "${part}" is "${names}"`);
    return names;
  }
  const [, first, last, step] = STEPS_FROM.exec(part) ?? [];
  if (first === undefined || (first === '*' && last !== undefined) || Number(last ?? 0) > max || Number(first) > max) {
    throw new InvalidScheduleError(
      name === 'weekday'
        ? `weekday "${part}": APScheduler counts from 0, which is Monday, to 6, or has mon, tue, wed, thu, fri, sat and sun`
        : `${name} "${part}" is not something APScheduler can read`,
    );
  }
  if (name !== 'weekday') return step !== undefined && last === undefined && first !== '*' ? `${first}-${max}/${step}` : part;
  const open = step !== undefined && last === undefined;
  const from = first === '*' ? 1 : Number(first) + 1;
  const until = open ? max + 1 : last === undefined ? undefined : Number(last) + 1;
  const text = `${from}${until === undefined ? '' : `-${until}`}${step === undefined ? '' : `/${step}`}`;
  warnings.push(`weekday "${part}": APScheduler counts from Monday, which is 0, where cron counts from Sunday: written as "${text}"`);
  return text;
}
