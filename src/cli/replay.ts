import { type Command, InvalidArgumentError } from 'commander';
import { type Instant, instant, jobTypeId, runId } from '../domain/ids.ts';
import type { Foreign } from '../runtime/operations.ts';
import type { StoredRunEvent } from '../runtime/ports.ts';
import { eventColumns } from './event-columns.ts';
import { EXIT } from './exit-codes.ts';
import { type Format, printOne, write } from './output.ts';
import { withOperations } from './session.ts';

interface Options {
  job?: string;
  run?: string;
  since?: string;
  until?: string;
  verify?: true;
  output: Format;
}

export async function replay({ job, run, since, until, verify, output }: Options, command: Command): Promise<void> {
  const selection = {
    jobType: job === undefined ? undefined : jobTypeId(job),
    runId: run === undefined ? undefined : runId(run),
    since: instantOf('--since', since),
    until: instantOf('--until', until),
  };
  await withOperations(command, async (operations) => {
    if (verify) {
      const verdict = await operations.verify(selection);
      if (verdict.problems.length > 0) process.exitCode = EXIT.failed;
      return printOne(verdict, output);
    }
    const print = printerOf(output);
    await operations.replay(selection, print.event, warnOfForeign);
    await print.end();
  });
}

/** Events are printed as they come: a log may be larger than memory. */
function printerOf(format: Format) {
  let count = 0;
  const separator = () => (count++ === 0 ? '[\n' : ',\n');
  return {
    async event({ event }: StoredRunEvent): Promise<undefined> {
      if (format === 'ndjson') await write(`${JSON.stringify(event)}\n`);
      else if (format === 'json') await write(separator() + JSON.stringify(event));
      else
        await write(
          `${Object.values(eventColumns)
            .map((cell) => cell(event) ?? '-')
            .join('  ')}\n`,
        );
    },
    end: () => (format === 'json' ? write(count === 0 ? '[]\n' : '\n]\n') : Promise.resolve()),
  };
}

const warnOfForeign = ({ subject, sequence }: Foreign) =>
  process.stderr.write(`almanac: the message at ${sequence} of EVENTS, on ${subject}, is not a run event and was left out\n`);

function instantOf(flag: string, text: string | undefined): Instant | undefined {
  if (text === undefined) return undefined;
  const at = Date.parse(text);
  if (Number.isNaN(at)) throw new InvalidArgumentError(`${flag} is not a time: ${text}; write it like 2026-11-23T02:00:00Z`);
  return instant(at);
}
