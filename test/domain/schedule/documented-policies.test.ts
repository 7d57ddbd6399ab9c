/** The tables of `docs/schedules.md` that show what policies do are what they do. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { type PlayedSchedule, playSchedule } from '../../../src/testing/index.ts';

const doc = readFileSync(new URL('../../../docs/schedules.md', import.meta.url), 'utf8');
const row = (...cells: string[]) => `| ${cells.join(' | ')} |`;
const DAY = '2026-11-23T';

it.each<[string, object]>([
  ['`none`', { policy: 'none' }],
  ['`latest`', { policy: 'latest' }],
  ['`all`', { policy: 'all' }],
  ['`all`, cap 2', { policy: 'all', cap: 2 }],
])('what is late, with %s', (name, catchUp) => {
  const { ledger } = playSchedule(
    { timing: { cron: '0 * * * *' }, catchUp: { windowMs: 3 * 3_600_000, ...catchUp } },
    { from: `${DAY}00:30:00Z`, until: `${DAY}04:30:00Z`, events: [{ at: `${DAY}00:30:00Z`, do: 'down', until: `${DAY}04:10:00Z` }] },
  );
  expect(doc).toContain(row(name, ...ledger.map(({ fate }) => fate)));
});

it.each(['skip', 'buffer-one', 'buffer-all', 'cancel-other', 'allow-all'])('while a run is on, with %s', (overlap) => {
  const played = playSchedule(
    { timing: { cron: '*/10 * * * *' }, overlap },
    { from: `${DAY}00:05:00Z`, until: `${DAY}00:45:00Z`, runs: () => 25 * 60_000 },
  );
  const cells = ['00:10', '00:20', '00:30', '00:40'].map((time) => cellOf(played, `${DAY}${time}:00Z`));
  expect(doc).toContain(row(`\`${overlap}\``, ...cells));
});

function cellOf({ ledger, runs }: PlayedSchedule, dueAt: string): string {
  const entry = ledger.find((other) => other.dueAt === dueAt);
  const run = runs.find((other) => other.dueAt === dueAt);
  if (entry === undefined) return 'waits';
  const since = run === undefined || run.startsAt === dueAt ? '' : ` at ${run.startsAt.slice(11, 16)}`;
  const until = run?.outcome === 'cancelled' ? `, cancelled at ${run.endsAt.slice(11, 16)}` : '';
  return `${entry.fate}${since}${until}`;
}

it('a pause of all but the last of three', () => {
  const { ledger } = playSchedule(
    { timing: { cron: '0 * * * *' } },
    {
      ...{ from: `${DAY}00:15:00Z`, until: `${DAY}03:30:00Z` },
      events: [
        { at: `${DAY}00:30:00Z`, do: 'pause' },
        { at: `${DAY}03:02:00Z`, do: 'resume' },
      ],
    },
  );
  expect(ledger.map(({ fate }) => fate)).toEqual(['paused', 'paused', 'started']);
});
