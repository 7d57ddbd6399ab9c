/** A question before something happens. */
import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { confirm } from '../../src/cli/confirm.ts';

const terminal = () => Object.assign(new PassThrough(), { isTTY: true });
function ask(typed: string, ends = false): { answer: Promise<boolean | undefined>; shown: () => string } {
  const [input, output] = [terminal(), terminal()];
  const answer = confirm('Start 3 runs?', input, output);
  input.write(typed);
  if (ends) input.end();
  return { answer, shown: () => String(output.read()) };
}

it.each([
  ['y\n', true],
  ['Yes\r\n', true],
  [' y \n', true],
  ['n\n', false],
  ['\n', false],
  ['yesterday\n', false],
])('%j is %s', async (typed, expected) => {
  const { answer, shown } = ask(typed);
  expect(await answer).toBe(expected);
  expect(shown()).toContain('Start 3 runs? [y/N] ');
});

it.each(['', 'y'])('an input that ends after %j is no: the line was not finished', async (typed) => {
  expect(await ask(typed, true).answer).toBe(false);
});

it.each([
  ['reads from a file', new PassThrough(), terminal()],
  ['prints into one', terminal(), new PassThrough()],
])('nobody is asked where the program %s', async (_, input, output) => {
  expect(await confirm('Start 3 runs?', input, output)).toBeUndefined();
  expect(output.read()).toBeNull();
});
