#!/usr/bin/env node
/** `almanac`: parses the command line and hands over to one file per command. */
import { Command, CommanderError, Option } from 'commander';
import packageJson from '../../package.json' with { type: 'json' };
import { DEAD_LETTER_ORIGINS } from '../domain/dead-letter.ts';
import { jobTypeId, runId } from '../domain/ids.ts';
import { LANES } from '../domain/job-type.ts';
import { count, duration, json, letterId, letterIds, payload, runIds, seconds, time } from './arguments.ts';
import { dlqDrop } from './dlq-drop.ts';
import { dlqList } from './dlq-list.ts';
import { dlqRedrive } from './dlq-redrive.ts';
import { dlqShow } from './dlq-show.ts';
import { EXIT, exitCodeOf, textOf } from './exit-codes.ts';
import { jobCheck } from './job-check.ts';
import { jobDiagram } from './job-diagram.ts';
import { jobList } from './job-list.ts';
import { FORMATS } from './output.ts';
import { replay } from './replay.ts';
import { runCancel } from './run-cancel.ts';
import { runDescribe } from './run-describe.ts';
import { runDiagram } from './run-diagram.ts';
import { runHistory } from './run-history.ts';
import { runList } from './run-list.ts';
import { runPause } from './run-pause.ts';
import { runResume } from './run-resume.ts';
import { runRetry } from './run-retry.ts';
import { runSignal } from './run-signal.ts';
import { runStart } from './run-start.ts';
import { addScheduleCommands } from './schedule-commands.ts';
import { start } from './start.ts';

const program = new Command('almanac')
  .description('Event-sourced job scheduler on NATS JetStream')
  .version(packageJson.version)
  .option('--data <dir>', 'data folder of the instance (ALMANAC_DATA, default ./data)')
  .option('--nats <url>', 'use this NATS server instead of an embedded one (NATS_URL)')
  .addHelpText(
    'after',
    '\nExit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 conflict.\nSettings: flag > environment > almanac.config.json > default; README lists them.',
  )
  .showHelpAfterError('(--help shows what there is)')
  .exitOverride();
const format = () => new Option('-o, --output <format>', 'how to print').choices(FORMATS).default('table');
const job = (what: string) => new Option('--job <type>', what).argParser(jobTypeId);

program
  .command('start')
  .description('run everything: NATS unless --nats is given, schedules, and the jobs themselves; until interrupted')
  .option('--vault <dir>', 'vault of Markdown files (VAULT_PATH, default: the sample vault)')
  .option('--no-first-sync', 'do not sync the vault when this instance starts for the first time')
  .addHelpText(
    'after',
    '\nSIGINT or SIGTERM: hands back what runs, so that other processes go on with it, and ends with 0. Another one, at least a second later,\nforces the end, with 1.',
  )
  .action(start);

const jobs = program.command('job').description('job types');
jobs.command('list').description('the job types there are').addOption(format()).action(jobList);
jobs
  .command('diagram')
  .description('the statechart of a job type, as text of Mermaid')
  .argument('<jobType>', 'see almanac job list', jobTypeId)
  .action(jobDiagram);
jobs
  .command('check')
  .description('whether this code can continue the runs in flight, by the definition they are on; exit code 1 when it would hold any')
  .addOption(job('only of this job type'))
  .addOption(format())
  .action(jobCheck);

const runs = program.command('run').description('runs: start them, watch them, ask about them');
runs
  .command('start')
  .description('start a run')
  .argument('<jobType>', 'see almanac job list', jobTypeId)
  .addOption(new Option('--input <json>', 'input of the run, a JSON object').argParser(json).default({}, '{}'))
  .option(
    '--key <key>',
    'idempotency key: becomes the run id, so that repeating the command starts nothing new (default: a new ULID)',
    runId,
  )
  .option('--why <text>', 'recorded with the run')
  .addOption(new Option('--lane <lane>', 'of those that almanac job list shows for the job type (default: normal)').choices(LANES))
  .addOption(new Option('--wait', 'wait until the run has ended; exit code 1 when it failed').conflicts(['at', 'in']))
  .addOption(
    new Option('--at <time>', 'not now but then, ISO 8601: survives restarts, almanac schedule delete calls it off')
      .argParser(time)
      .conflicts('in'),
  )
  .addOption(new Option('--in <duration>', 'not now but so much later, e.g. 10m').argParser(duration))
  .addOption(format())
  .action(runStart);
runs
  .command('list')
  .description('runs, newest first')
  .addOption(job('only of this job type'))
  .option('--state <state>', 'only in this state')
  .option('--outcome <outcome>', 'only with this outcome, e.g. failed')
  .addOption(new Option('--limit <n>', 'at most this many').argParser(count).default(50))
  .addOption(format())
  .action(runList);
runs
  .command('describe')
  .description('one run: input, state, output')
  .argument('<id>', 'of the run', runId)
  .addOption(job('when several job types have that id'))
  .addOption(format())
  .action(runDescribe);
runs
  .command('history')
  .description('every event of a run')
  .argument('<id>', 'of the run', runId)
  .addOption(job('when several job types have that id'))
  .addOption(format())
  .action(runHistory);
runs
  .command('diagram')
  .description('the statechart of a run with where it is, as text of Mermaid')
  .argument('<id>', 'of the run', runId)
  .addOption(job('when several job types have that id'))
  .action(runDiagram);

const controlled = (command: Command) =>
  command
    .addOption(job('when several job types have that id'))
    .option('--why <text>', 'recorded with the run')
    .addOption(
      new Option('--timeout <seconds>', 'how long to wait for the process that carries it out; 0: only send the command')
        .argParser(seconds)
        .default(10),
    )
    .addOption(format())
    .addHelpText(
      'after',
      `
Prints the state that each run is in then. Exit codes: 0 carried out (or sent, with --timeout 0); 1 no answer in time, the command is stored
and will be carried out; 3 there is no such run; 4 refused: the run has ended, or does not listen to it now. Of several, the highest.`,
    );
for (const { name, does, carryOut } of [
  { name: 'cancel', does: 'end runs as cancelled', carryOut: runCancel },
  { name: 'pause', does: 'have runs pause, if their statechart knows how', carryOut: runPause },
  { name: 'resume', does: 'have paused runs go on', carryOut: runResume },
  {
    name: 'retry',
    does: 'have runs that wait between attempts try now, and begin those anew that have failed, in the same history',
    carryOut: runRetry,
  },
])
  controlled(runs.command(name).description(does).argument('<ids...>', 'of runs', runIds)).action(carryOut);
controlled(
  runs
    .command('signal')
    .description('have the statechart of a run hear an event')
    .argument('<id>', 'of the run', runId)
    .argument('<type>', 'of the event')
    .addOption(new Option('--payload <json>', 'what the event says beside its type, a JSON object').argParser(payload).default({}, '{}')),
).action(runSignal);

addScheduleCommands(program);

const letters = program
  .command('dlq')
  .description('dead letters: commands nobody could carry out, signals that were refused, runs that failed or could not go on');
const origin = () => new Option('--origin <origin>', 'only commands, only signals, or only runs').choices(DEAD_LETTER_ORIGINS);
const code = () => new Option('--code <code>', 'only with this reason code, e.g. INPUT_INVALID');
letters
  .command('list')
  .description('dead letters, newest first')
  .addOption(job('only of this job type'))
  .addOption(origin())
  .addOption(code())
  .addOption(new Option('--limit <n>', 'at most this many').argParser(count).default(50))
  .addOption(format())
  .action(dlqList);
letters
  .command('show')
  .description('one dead letter, with its message')
  .argument('<id>', 'of the letter', letterId)
  .addOption(format())
  .action(dlqShow);
for (const { name, does, carryOut } of [
  {
    name: 'redrive',
    does: 'send the message again to where it was sent first; a run that failed begins anew, in the same history',
    carryOut: dlqRedrive,
  },
  { name: 'drop', does: 'give up on the message; the log keeps that it was there, and why it went', carryOut: dlqDrop },
])
  letters
    .command(name)
    .description(does)
    .argument('[ids...]', 'of letters: done at once', letterIds)
    .option('--all', 'all letters, or those that the following select: shown as a plan, done with --yes')
    .addOption(job('only of this job type'))
    .addOption(origin())
    .addOption(code())
    .option('--yes', 'do it')
    .addOption(new Option('--plan', 'only show what would be done').conflicts('yes'))
    .option('--why <text>', 'recorded with what is done')
    .addOption(format())
    .action(carryOut);

program
  .command('replay')
  .description('every event of every run, in the one order of the log')
  .addOption(job('only of this job type'))
  .option('--run <id>', 'only of this run', runId)
  .option('--since <time>', 'stored at this time or later, ISO 8601', time)
  .option('--until <time>', 'stored at this time or earlier, ISO 8601', time)
  .option('--verify', 'fold every event again and check snapshots and the hash chain; prints the result only')
  .addOption(format())
  .action(replay);

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT.ok); // `almanac replay | head`
  throw error;
});

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  else {
    process.stderr.write(`almanac: ${textOf(error)}\n`);
    process.exitCode = exitCodeOf(error);
  }
}
