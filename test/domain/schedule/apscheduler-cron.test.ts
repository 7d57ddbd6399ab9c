import { expect, it } from 'vitest';
import { InvalidScheduleError } from '../../../src/domain/errors.ts';
import { fromApscheduler } from '../../../src/domain/schedule/apscheduler-cron.ts';
import { parseTiming } from '../../../src/domain/schedule/parse-timing.ts';

it.each([
  ['0 3 * * *', '0 3 * * *', 0],
  ['*/30 * * * *', '*/30 * * * *', 0],
  [' 0  3 * *  * ', '0 3 * * *', 0],
  ['0 3 * * 0', '0 3 * * 1', 1],
  ['0 3 * * 6', '0 3 * * 7', 1],
  ['0 3 * * 0-4', '0 3 * * 1-5', 1],
  ['0 3 * * 5,6', '0 3 * * 6,7', 2],
  ['0 3 * * 0-6', '0 3 * * 1-7', 1],
  ['0 3 * * */2', '0 3 * * 1-7/2', 1],
  ['0 3 * * 1/2', '0 3 * * 2-7/2', 1],
  ['0 3 * * 1-5/2', '0 3 * * 2-6/2', 1],
  ['0 3 * * mon-fri', '0 3 * * mon-fri', 0],
  ['0 3 * * sat-sun', '0 3 * * sat-sun', 0],
  ['0 3 * * mon,wed-fri', '0 3 * * mon,wed-fri', 0],
  ['0 3 * * mon-fri/2', '0 3 * * mon-fri', 1],
  ['0 3 13 * *', '0 3 13 * *', 0],
  ['0 3 13 * fri', '0 3 13 * +fri', 1],
  ['0 3 13 * 4', '0 3 13 * +5', 2],
  ['0 3 last * *', '0 3 L * *', 0],
  ['5/15 2/6 3/10 2/3 *', '5-59/15 2-23/6 3-31/10 2-12/3 *', 0],
  ['0 0 1 jan-mar,dec *', '0 0 1 jan-mar,dec *', 0],
])('%j is %j', (pattern, cron, warnings) => {
  const translation = fromApscheduler(pattern);
  expect(translation.cron).toBe(cron);
  expect(translation.warnings).toHaveLength(warnings);
  expect(parseTiming({ cron: translation.cron }, { timeZone: 'UTC' }).trigger).toEqual({ kind: 'cron', cron });
});

it('says in plain words what would have changed', () => {
  expect(fromApscheduler('0 3 13 * 4').warnings).toEqual([
    'weekday "4": APScheduler counts from Monday, which is 0, where cron counts from Sunday: written as "5"',
    'day of month "13" and weekday "4" must both match in APScheduler, where cron takes either: the "+" keeps it so',
  ]);
});

it.each([
  '0 3 * *',
  '0 3 * * * *',
  '0 3 * * 7',
  '0 3 * * 5-7',
  '0 3 * * x',
  '0 3 * * *-3',
  '0 3 * * 1#2',
  '60 * * * *',
  '0 3 L * *',
  '@daily',
])('refuses %j, as APScheduler does', (pattern) => {
  expect(() => fromApscheduler(pattern)).toThrow(InvalidScheduleError);
});
