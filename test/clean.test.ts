/** The parts of `npm run check` that are no tests themselves, so that no tree with a type error or dead code ever passes as tested. */
import { execFile } from 'node:child_process';
import { expect, it } from 'vitest';

it.each(['types', 'lint', 'dead-code'])(
  'npm run %s finds nothing',
  async (script) => {
    const output = await new Promise<string>((resolve) => {
      execFile('npm', ['run', '--silent', script], (error, stdout, stderr) => resolve(error === null ? '' : `${stdout}${stderr}`));
    });
    expect(output).toBe('');
  },
  120_000,
);
