import { expect, it } from 'vitest';
import { EXIT, exitCodeOf } from '../../src/cli/exit-codes.ts';
import { InvalidCommandError } from '../../src/domain/errors.ts';

it('a command that is wrong is a mistake of whoever sent it; one that waited too long is none', () => {
  expect(exitCodeOf(new InvalidCommandError('INPUT_INVALID', 'no such tier'))).toBe(EXIT.usage);
  expect(exitCodeOf(new InvalidCommandError('QUEUE_TIMEOUT', 'nobody was free'))).toBe(EXIT.failed);
});
