/** `almanac schedule …`, `why` and `simulate`: one file per command carries it out. */
import { type Command, Option } from 'commander';
import { jobTypeId, runId, scheduleId } from '../domain/ids.ts';
import { OVERLAPS } from '../domain/schedule/schedule.ts';
import { count, scheduleIds, time, upTo } from './arguments.ts';
import { withAskOptions } from './control-schedules.ts';
import { FORMATS } from './output.ts';
import { pause } from './pause.ts';
import { resume } from './resume.ts';
import { scheduleBackfill } from './schedule-backfill.ts';
import { scheduleCreate } from './schedule-create.ts';
import { scheduleDelete } from './schedule-delete.ts';
import { scheduleDescribe } from './schedule-describe.ts';
import { scheduleLedger } from './schedule-ledger.ts';
import { scheduleList } from './schedule-list.ts';
import { scheduleNext } from './schedule-next.ts';
import { schedulePause } from './schedule-pause.ts';
import { scheduleResume } from './schedule-resume.ts';
import { withSpecOptions } from './schedule-spec.ts';
import { withTimingOptions } from './schedule-timing.ts';
import { scheduleTrigger } from './schedule-trigger.ts';
import { scheduleUpdate } from './schedule-update.ts';
import { simulate } from './simulate.ts';
import { why } from './why.ts';

const format = () => new Option('-o, --output <format>', 'how to print').choices(FORMATS).default('table');
const PAUSE_EXIT_CODES = `
Exit codes: 0 they are paused (or the command is sent, with --timeout 0); 1 no answer in time, the command is stored and will be carried out.`;
const RESUME_EXIT_CODES = `
Exit codes: 0 they are on (or the command is sent, with --timeout 0); 1 no answer in time, the command is stored and will be carried out; 4
a pause file, or AUTOMATION_PAUSE, pauses them still.`;
const STATUSES = ['active', 'paused', 'finished'] as const;

export function addScheduleCommands(program: Command): void {
  const schedules = program.command('schedule').description('schedules: what starts runs by itself, when, and what became of it');
  schedules
    .command('list')
    .description('the schedules there are')
    .addOption(new Option('--job <type>', 'only of this job type').argParser(jobTypeId))
    .addOption(new Option('--status <status>', 'only those').choices(STATUSES))
    .addOption(format())
    .action(scheduleList);
  schedules
    .command('describe')
    .description('one schedule: what it is, its next times, its last outcome, and how often each fate came in the last 30 days')
    .argument('<id>', 'of the schedule', scheduleId)
    .addOption(format())
    .action(scheduleDescribe);
  withAskOptions(
    withSpecOptions(schedules.command('create').description('a new schedule').argument('<id>', 'of the schedule', scheduleId)),
  ).action(scheduleCreate);
  withAskOptions(
    withSpecOptions(
      schedules
        .command('update')
        .description('another pattern, another input …; what is not named stays. What was due under the old ones is decided first')
        .argument('<id>', 'of the schedule', scheduleId),
    ),
  ).action(scheduleUpdate);
  withAskOptions(
    schedules
      .command('pause')
      .description('start nothing until it is resumed')
      .argument('<ids...>', 'of schedules', scheduleIds)
      .option('--note <text>', 'why, for everybody who asks'),
  ).action(schedulePause);
  withAskOptions(
    schedules
      .command('resume')
      .alias('unpause')
      .description('go on; what was due in between is caught up, or recorded as paused')
      .argument('<ids...>', 'of schedules', scheduleIds),
  ).action(scheduleResume);
  withAskOptions(
    schedules.command('delete').description('start nothing any more; its history stays').argument('<ids...>', 'of schedules', scheduleIds),
  ).action(scheduleDelete);
  withAskOptions(
    schedules
      .command('trigger')
      .description('one run now, whatever the time')
      .argument('<id>', 'of the schedule', scheduleId)
      .addOption(new Option('--overlap <policy>', 'while another run of it has not ended (default: allow-all)').choices(OVERLAPS))
      .option('--key <key>', 'becomes the run id (default: a new ULID)', runId),
  ).action(scheduleTrigger);
  withAskOptions(
    schedules
      .command('backfill')
      .description('run what a schedule has not run, of some time: shows a plan first, then asks')
      .argument('<id>', 'of the schedule', scheduleId)
      .addOption(new Option('--from <time>', 'due at this time or later, ISO 8601').argParser(time).makeOptionMandatory())
      .addOption(new Option('--to <time>', 'due at this time or earlier, ISO 8601').argParser(time).makeOptionMandatory())
      .option('--yes', 'do it, and do not ask')
      .addOption(new Option('--plan', 'only show what would be done').conflicts('yes')),
  ).action(scheduleBackfill);
  withTimingOptions(
    schedules
      .command('next')
      .description('the next times of a schedule, or of a pattern that is none yet, with days on which the clocks change')
      .argument('[id]', 'of the schedule', scheduleId),
  )
    .addOption(new Option('-n, --count <n>', 'so many').argParser(upTo(1_000)).default(10))
    .addOption(format())
    .action(scheduleNext);
  schedules
    .command('ledger')
    .description('what became of each occurrence, the last ones')
    .argument('<id>', 'of the schedule', scheduleId)
    .option('--since <time>', 'due at this time or later, ISO 8601', time)
    .option('--until <time>', 'due at this time or earlier, ISO 8601', time)
    .addOption(new Option('--limit <n>', 'at most this many').argParser(count).default(100))
    .addOption(format())
    .action(scheduleLedger);

  withAskOptions(
    program
      .command('pause')
      .description('all schedules start nothing until they are resumed; runs that are on go on')
      .option('--note <text>', 'why, for everybody who asks'),
    PAUSE_EXIT_CODES,
  ).action(pause);
  withAskOptions(
    program.command('resume').description('all schedules go on; what was due in between is caught up, or recorded as paused'),
    RESUME_EXIT_CODES,
  ).action(resume);

  program
    .command('why')
    .description('why a schedule did, or did not, start a run at some time')
    .argument('<schedule>', 'id of the schedule', scheduleId)
    .addOption(new Option('--at <time>', 'when, ISO 8601').argParser(time).makeOptionMandatory())
    .addOption(format())
    .addHelpText('after', '\nExit codes: 0 there is an answer, 3 there never was such a schedule.')
    .action(why);
  program
    .command('simulate')
    .description('what the schedules would start, by the code that decides in production; starts and stores nothing')
    .addOption(new Option('--days <n>', 'so many').argParser(upTo(366)).default(7))
    .option('--from <time>', 'from this time on, ISO 8601 (default: now)', time)
    .option('--tz <zone>', 'whose local times to show (default: SCHEDULER_TIMEZONE)')
    .option('--resumed', 'if all schedules are paused: what they would start if they were not')
    .addOption(new Option('--limit <n>', 'show at most this many starts').argParser(count).default(200))
    .addOption(format())
    .addHelpText(
      'after',
      `
Runs are taken to last as long as 95 of 100 of them did in the last days. Risks are: a schedule that is due while its run before may be on;
runs of one job type, of several schedules, on at the same time; several schedules that start in one minute; an occurrence that a change of
the clocks moves, leaves out or doubles.
Exit codes: 0 no risks, 1 risks, so that a pipeline can ask.`,
    )
    .action(simulate);
}
