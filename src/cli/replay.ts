import type { Command } from 'commander';
import type { Instant, JobTypeId, RunId } from '../domain/ids.ts';
import type { Foreign } from '../runtime/operations.ts';
import type { StoredRunEvent } from '../runtime/ports.ts';
import { eventColumns } from './event-columns.ts';
import { EXIT } from './exit-codes.ts';
import { type Format, printOne, tableLine, write } from './output.ts';
import { withOperations } from './session.ts';

interface Options {
  job?: JobTypeId;
  run?: RunId;
  since?: Instant;
  until?: Instant;
  verify?: true;
  output: Format;
}

/** A stream of unknown content cannot be measured before it is printed. By column: the least number of characters. */
const WIDTHS = [24, 37, 3, 12, 20, 20, 24, 0];

export async function replay({ job, run, since, until, verify, output }: Options, command: Command): Promise<void> {
  const selection = { jobType: job, runId: run, since, until };
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
      else {
        if (count++ === 0) await write(tableLine(Object.keys(eventColumns), WIDTHS));
        const cells = Object.values(eventColumns).map((cell) => cell(event) ?? '-');
        await write(tableLine(cells, WIDTHS));
      }
    },
    end: () => (format === 'json' ? write(count === 0 ? '[]\n' : '\n]\n') : Promise.resolve()),
  };
}

const warnOfForeign = ({ subject, sequence }: Foreign) =>
  process.stderr.write(`almanac: the message at ${sequence} of EVENTS, on ${subject}, is not a run event and was left out\n`);
