import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type JobTypeId, jobTypeId, runId, scheduledRunId, scheduleId } from '../../src/domain/ids.ts';
import { LANES } from '../../src/domain/job-type.ts';
import { isCommandSubject, parseCommandSubject, signalSubject, startSubject } from '../../streams/commands.stream.ts';
import { deadLetterSubject, parseDeadLetterSubject } from '../../streams/dead-letters.stream.ts';
import { parseRunEventSubject, runEventSubject } from '../../streams/events.stream.ts';

const id = fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,127}$/);
/** Made of what subjects are made of, so that many come close to the grammar. */
const almost = fc
  .array(fc.oneof(fc.constantFrom('cmd', 'evt', 'run', 'start', 'signal', 'normal', '*', '>', '', ' ', 'A', 'ä', '\0', '\n'), id), {
    maxLength: 6,
  })
  .map((tokens) => tokens.join('.'));
const hostile = fc.oneof(almost, fc.string({ unit: 'binary' }));

it('a start subject says its job type and lane', () => {
  fc.assert(
    fc.property(id, fc.constantFrom(...LANES), (jobType, lane) => {
      expect(parseCommandSubject(startSubject(jobTypeId(jobType), lane))).toEqual({ kind: 'start', jobType, lane });
    }),
  );
});

it('a signal subject and a run subject say their job type and run', () => {
  fc.assert(
    fc.property(id, id, (jobType, run) => {
      expect(parseCommandSubject(signalSubject(jobTypeId(jobType), runId(run)))).toEqual({ kind: 'signal', jobType, runId: run });
      expect(parseRunEventSubject(runEventSubject(jobTypeId(jobType), runId(run)))).toEqual({ jobType, runId: run });
    }),
  );
});

it('what parses is exactly what would be built, whatever a stranger sends', () => {
  fc.assert(
    fc.property(hostile, (subject) => {
      const command = parseCommandSubject(subject);
      if (command?.kind === 'start') expect(startSubject(command.jobType, command.lane)).toBe(subject);
      if (command?.kind === 'signal') expect(signalSubject(command.jobType, command.runId)).toBe(subject);
      if (command !== undefined) expect(isCommandSubject(subject)).toBe(true);
      const letter = parseDeadLetterSubject(subject);
      if (letter !== undefined) expect(deadLetterSubject(letter.origin, letter.jobType)).toBe(subject);
      const event = parseRunEventSubject(subject);
      if (event !== undefined) expect(runEventSubject(event.jobType, event.runId)).toBe(subject);
    }),
    { numRuns: 1_000 },
  );
});

it('text is an id or refused, and an id is one token without wildcards', () => {
  fc.assert(
    fc.property(fc.oneof(hostile, id), (text) => {
      let parsed: JobTypeId | undefined;
      try {
        parsed = jobTypeId(text);
      } catch (error) {
        expect(error).toMatchObject({ code: 'ID_INVALID', text });
      }
      expect(parsed !== undefined).toBe(/^[a-z0-9_-]{1,128}$/.test(text) && /^[a-z0-9]/.test(text) && !text.includes('\n'));
    }),
    { numRuns: 1_000 },
  );
});

it('a dead letter of any job type, however hostile, lands on one subject of the stream', () => {
  fc.assert(
    fc.property(hostile, (text) => {
      const subject = deadLetterSubject('command', text);
      expect(subject).toMatch(/^dlq\.command\.[a-z0-9][a-z0-9_-]*$/);
      expect(parseDeadLetterSubject(subject)?.origin).toBe('command');
    }),
  );
});

/** The upper control characters, which mean nothing to the protocol. */
const inProtocol = (subject: string) => subject.replace(/[\u0080-\u009f]/g, 'x');

it('a command subject is one that the protocol and the stream take as it is', () => {
  fc.assert(
    fc.property(hostile, (text) => {
      const subject = `cmd.${text}`;
      expect(isCommandSubject(subject)).toBe(
        !/[\s*>\p{Cc}]/u.test(inProtocol(subject)) && subject.split('.').every((token) => token !== ''),
      );
    }),
    { numRuns: 1_000 },
  );
  for (const other of ['cmd', 'evt.run.x.y', 'cmdx.y', '$JS.API.STREAM.PURGE.EVENTS']) expect(isCommandSubject(other)).toBe(false);
});

it('different occurrences of a schedule name different runs', () => {
  const at = fc.integer({ min: 0, max: 4_102_444_800_000 });
  fc.assert(
    fc.property(at, at, (one, other) => {
      const run = (dueAt: number) => scheduledRunId(scheduleId('nightly'), dueAt as never);
      expect(run(one) === run(other)).toBe(one === other);
    }),
  );
  expect(scheduledRunId(scheduleId('vault-sync'), Date.UTC(2026, 10, 23, 3) as never)).toBe('vault-sync-20261123t030000z');
});
